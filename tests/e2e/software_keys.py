# SPDX-License-Identifier: Apache-2.0
"""Software keys in a Python program: python3-cryptography with the openssl.cnf in
force. Prints a line for each thing that worked; ends with "all OK"."""
import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

TEXT = b"what is signed"
SHA = hashes.SHA256()
PKCS8 = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PEM = serialization.Encoding.PEM


def through_pem(key):
    return serialization.load_pem_private_key(key.private_bytes(PEM, *PKCS8), None)


def through_encrypted_pem(key):
    pem = key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret"))
    return serialization.load_pem_private_key(pem, b"secret")


def through_traditional_pem(key):
    pem = key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return serialization.load_pem_private_key(pem, None)


def through_numbers(key):
    return key.private_numbers().private_key()


def public_through_numbers(key):
    return key.public_numbers().public_key()


def public_through_pem(key):
    pem = key.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return serialization.load_pem_public_key(pem)


WAYS = [through_pem, through_encrypted_pem, through_traditional_pem, through_numbers]
PUBLIC_WAYS = [public_through_pem, public_through_numbers]


def certify(key):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "software")])
    now = datetime.datetime(2026, 1, 1)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1).not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, SHA))
    again = x509.load_pem_x509_certificate(cert.public_bytes(PEM))
    assert again.public_key().public_numbers() == key.public_key().public_numbers()
    x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA)
    return again


def use_ec(key, public):
    for digest in hashes.SHA256(), hashes.SHA384(), hashes.SHA512():
        public.verify(key.sign(TEXT, ec.ECDSA(digest)), TEXT, ec.ECDSA(digest))
    ready = hashes.Hash(SHA)
    ready.update(TEXT)
    signature = key.sign(ready.finalize(), ec.ECDSA(utils.Prehashed(SHA)))
    public.verify(signature, TEXT, ec.ECDSA(SHA))
    other = ec.generate_private_key(key.curve)
    assert key.exchange(ec.ECDH(), other.public_key()) == other.exchange(ec.ECDH(), public)
    cert = certify(key)
    public.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(SHA))


def use_rsa(key, public):
    pss = padding.PSS(padding.MGF1(SHA), padding.PSS.MAX_LENGTH)
    oaep = padding.OAEP(padding.MGF1(SHA), SHA, None)
    for scheme in padding.PKCS1v15(), pss:
        public.verify(key.sign(TEXT, scheme, SHA), TEXT, scheme, SHA)
    for scheme in padding.PKCS1v15(), oaep:
        assert key.decrypt(public.encrypt(TEXT, scheme), scheme) == TEXT
    signature = key.sign(TEXT, padding.PKCS1v15(), SHA)
    public.recover_data_from_signature(signature, padding.PKCS1v15(), SHA)
    cert = certify(key)
    public.verify(cert.signature, cert.tbs_certificate_bytes, padding.PKCS1v15(), SHA)


def main():
    kinds = [(curve.name, ec.generate_private_key(curve), use_ec)
             for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1())]
    kinds += [(f"RSA {bits}", rsa.generate_private_key(65537, bits), use_rsa)
              for bits in (2048, 3072)]
    for name, key, use in kinds:
        use(key, key.public_key())
        print(f"{name}: generated")
        for way in WAYS:
            use(way(key), key.public_key())
            print(f"{name}: {way.__name__}")
        for way in PUBLIC_WAYS:
            use(key, way(key.public_key()))
            print(f"{name}: {way.__name__}")
    scalar = ec.derive_private_key(12345, ec.SECP384R1())
    use_ec(scalar, scalar.public_key())
    print("all OK")
    return 0


if __name__ == "__main__":
    sys.exit(main())
