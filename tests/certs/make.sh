#!/bin/sh
# Makes the certificates of tests/hostile_http.rs anew, with OpenSSL 3. Keys are for tests only and protect nothing.
#   ca.pem                 the root that the client trusts in the tests
#   good, expired, future, wrong-host, wrong-usage    servers' certificates from that root, each with its key
#   constrained-ca.pem     a root that may only sign for example.org; constrained: a certificate for localhost from it
#   self-signed            vouches for itself
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PAST=20200101000000Z
FAR=20991231235959Z

authority() { # name, extensions
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=safe-conduct test $1" -out "$work/$1.csr"
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n%s\n' "$2" > "$work/$1.ext"
    sign "$1" "$work/$1.ext" "$PAST" "$FAR" -selfsign -keyfile "$work/$1.key"
}
server() { # name, authority, subjectAltName, extendedKeyUsage, from, to
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=safe-conduct test $1" -out "$work/$1.csr"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=%s\nextendedKeyUsage=%s\n' "$3" "$4" > "$work/$1.ext"
    if [ "$2" = self ]; then
        sign "$1" "$work/$1.ext" "$5" "$6" -selfsign -keyfile "$1.key"
    else
        sign "$1" "$work/$1.ext" "$5" "$6" -cert "$2.pem" -keyfile "$work/$2.key"
    fi
}
sign() { # name, extensions, from, to, how
    name=$1; extensions=$2; from=$3; to=$4; shift 4
    : > "$work/index"
    printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nrand_serial=yes\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' \
        "$work/index" "$work" > "$work/config"
    openssl ca -batch -notext -config "$work/config" -extfile "$extensions" -startdate "$from" -enddate "$to" \
        -in "$work/$name.csr" -out "$name.pem" "$@" 2>/dev/null
}

HERE=IP:127.0.0.1,IP:::1,DNS:localhost
authority ca ''
authority constrained-ca 'nameConstraints=critical,permitted;DNS:example.org'
server good ca "$HERE" serverAuth "$PAST" "$FAR"
server expired ca "$HERE" serverAuth "$PAST" 20210101000000Z
server future ca "$HERE" serverAuth 20980101000000Z "$FAR"
server wrong-host ca DNS:sts.example.org,IP:192.0.2.1 serverAuth "$PAST" "$FAR"
server wrong-usage ca "$HERE" clientAuth "$PAST" "$FAR"
server constrained constrained-ca DNS:localhost serverAuth "$PAST" "$FAR"
server self-signed self "$HERE" serverAuth "$PAST" "$FAR"
