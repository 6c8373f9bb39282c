"""A certificate authority of a test's own."""

import os
import subprocess
from pathlib import Path


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority, and certificates for 127.0.0.1 and localhost that it signs."""

    def __init__(self, folder):
        self.folder, self.ca = Path(folder), Path(folder) / "ca.pem"
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
                "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test authority")

    def issue(self, name, certificate="api.crt", key="api.key"):
        (self.folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl(self.folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "new.key", "-out",
                "new.csr", "-subj", f"/CN={name}")
        openssl(self.folder, "x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "san", "-out", "new.crt")
        (self.folder / "new.key").chmod(0o600)
        os.rename(self.folder / "new.key", self.folder / key)
        os.rename(self.folder / "new.crt", self.folder / certificate)
