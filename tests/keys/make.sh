#!/bin/sh
# Makes the test keys of this folder anew, with openssl and coreutils. They protect nothing and are trusted nowhere.
set -eu
cd "$(dirname "$0")"

url() { basenc --base64url -w 0 | tr -d '='; }
public() { openssl pkey -inform DER -in "$1" -pubout -outform DER; }
der() { openssl pkcs8 -topk8 -nocrypt -outform DER; }

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 | der > rsa.pk8
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 | der > other-rsa.pk8
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | der > p256.pk8
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | der > p384.pk8
openssl genpkey -algorithm ED25519 | der > ed25519.pk8

# A certificate that other-rsa signs for itself, as an attacker would put it into a header.
openssl req -x509 -new -key other-rsa.pk8 -keyform DER -sha256 -days 36500 -subj /CN=issuer.example -outform DER \
    > other-rsa.crt

# The public point, and the public Ed25519 key, are the last bytes of the public key's DER.
n=$(openssl rsa -inform DER -in rsa.pk8 -noout -modulus | cut -d= -f2 | basenc --base16 -d | url)
x256=$(public p256.pk8 | tail -c 64 | head -c 32 | url)
y256=$(public p256.pk8 | tail -c 32 | url)
x384=$(public p384.pk8 | tail -c 96 | head -c 48 | url)
y384=$(public p384.pk8 | tail -c 48 | url)
x25519=$(public ed25519.pk8 | tail -c 32 | url)

cat > jwks.json <<END
{"keys": [
  {"kid": "rsa", "kty": "RSA", "use": "sig", "n": "$n", "e": "AQAB"},
  {"kid": "p256", "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": "$x256", "y": "$y256"},
  {"kid": "p384", "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "x": "$x384", "y": "$y384"},
  {"kid": "ed25519", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": "$x25519"}
]}
END

python3 paddings.py > paddings.txt
