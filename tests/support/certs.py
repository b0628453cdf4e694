"""A private CA and certificates for tests, by openssl."""

import os
import pathlib
import subprocess


def openssl(*args, **kwargs):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **kwargs)


class Authority:
    """CERT is signed by ca.pem; a file is replaced in one step, as a careful operator does."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.ca, "-days", "30", "-subj", f"/CN={name}")

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", days=20):
        """NAME.pem and NAME.key; the key first, since whoever watches them waits for the pair."""
        new = self.folder / f"{name}.new"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{new}.key", "-out", f"{new}.csr", "-subj", f"/CN={name}")
        pathlib.Path(f"{new}.ext").write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{new}.csr", "-CA", self.ca, "-CAkey", self.key,
                "-CAcreateserial", "-days", str(days), "-out", f"{new}.pem", "-extfile", f"{new}.ext")
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        os.replace(f"{new}.key", key)
        os.replace(f"{new}.pem", cert)
        return cert, key
