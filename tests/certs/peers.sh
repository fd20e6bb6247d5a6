#!/bin/sh
# Makes the certificates of tests/distribute_tls.rs anew in the folder peers/, with OpenSSL 3. Keys are for tests only.
#   ca, other-ca                the authority of the job, and one of somebody else
#   driver, executor            for driver.job.test (serverAuth) and executor.job.test (clientAuth), keys on P-256
#   driver-*                    each wrong in one way, as its name says
#   executor-{p384,ed25519,rsa,sec1}   the same with keys of other kinds; sec1 is executor's key in another form
#   executor-*                  each wrong in one way, as its name says
#   executor-chain              from an authority between, which stands behind it in the file
set -eu
cd "$(dirname "$0")"
mkdir -p peers
cd peers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PAST=20200101000000Z
FAR=20991231235959Z

key() { # name, algorithm, option
    openssl genpkey -quiet -algorithm "$2" ${3:+-pkeyopt "$3"} -out "$1"
}
sign() { # name, extensions, from, to, how
    name=$1; extensions=$2; from=$3; to=$4; shift 4
    : > "$work/index"
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nrand_serial=yes\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
        "$work/index" "$work" > "$work/config"
    printf '%b' "$extensions" > "$work/ext"
    openssl ca -batch -notext -config "$work/config" -extfile "$work/ext" -startdate "$from" -enddate "$to" \
        -in "$work/$name.csr" -out "$name.pem" "$@" 2>/dev/null
}
request() { # name, key
    openssl req -new -key "$2" -subj "/CN=$1" -out "$work/$1.csr"
}
CA='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n'
leaf() { # name, subjectAltName, extendedKeyUsage (may be empty), from, to, authority, key algorithm, option
    key "$1.key" "${7:-EC}" "${8-ec_paramgen_curve:P-256}"
    request "$1" "$1.key"
    sign "$1" "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=$2\n${3:+extendedKeyUsage=$3\n}" \
        "${4:-$PAST}" "${5:-$FAR}" -cert "${6:-ca}.pem" -keyfile "$work/${6:-ca}.key"
}
for name in ca other-ca; do
    key "$work/$name.key" EC ec_paramgen_curve:P-256
    request "$name" "$work/$name.key"
    sign "$name" "$CA" "$PAST" "$FAR" -selfsign -keyfile "$work/$name.key"
done
key "$work/between.key" EC ec_paramgen_curve:P-256
request between "$work/between.key"
sign between "$CA" "$PAST" "$FAR" -cert ca.pem -keyfile "$work/ca.key"

E=DNS:executor.job.test
leaf driver DNS:driver.job.test serverAuth
leaf driver-expired DNS:driver.job.test serverAuth '' 20210101000000Z
leaf driver-wildcard 'DNS:*.job.test' serverAuth
leaf executor "$E" clientAuth
leaf executor-p384 "$E" clientAuth '' '' '' EC ec_paramgen_curve:P-384
leaf executor-p521 "$E" clientAuth '' '' '' EC ec_paramgen_curve:P-521
leaf executor-ed25519 "$E" clientAuth '' '' '' ED25519 ''
leaf executor-rsa "$E" clientAuth '' '' '' RSA rsa_keygen_bits:2048
leaf executor-rsa1024 "$E" clientAuth '' '' '' RSA rsa_keygen_bits:1024
leaf executor-chain "$E" clientAuth '' '' between
cat between.pem >> executor-chain.pem
rm between.pem
leaf executor-expired "$E" clientAuth '' 20210101000000Z
leaf executor-future "$E" clientAuth 20980101000000Z ''
leaf executor-server "$E" serverAuth
leaf executor-both DNS:driver.job.test,$E clientAuth,serverAuth
leaf executor-wildcard 'DNS:*.job.test' clientAuth
leaf executor-prefix DNS:executor.job.test.evil.test clientAuth
leaf executor-other-name DNS:other.job.test clientAuth
leaf executor-address IP:127.0.0.1 clientAuth
leaf executor-other-ca "$E" clientAuth '' '' other-ca
key executor-self-signed.key EC ec_paramgen_curve:P-256
request executor.job.test executor-self-signed.key
mv "$work/executor.job.test.csr" "$work/executor-self-signed.csr"
sign executor-self-signed "basicConstraints=critical,CA:FALSE\nsubjectAltName=$E\nextendedKeyUsage=clientAuth\n" \
    "$PAST" "$FAR" -selfsign -keyfile executor-self-signed.key
openssl ec -in executor.key -out executor-sec1.key 2>/dev/null
