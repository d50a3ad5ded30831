"""Check the locks' pins for known vulnerabilities: `make audit`.

Exit code 0: every pin was looked up, nothing is known. 1: something is known, and listed. 2: no advisory service
answers here, or not for every pin: nothing is proven. Whether a service answers is tried first with a release whose
vulnerabilities are public: an index that knows no advisories would otherwise pass for one that has nothing to report.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LOCKS = ("cpu.txt", "gpu.txt", "test.txt", "torch-cpu.txt")
SERVICES = ("pypi", "osv")
KNOWN_BAD = "jinja2==2.4.1"  # CVE-2014-0012 and later ones
TIMEOUT = 15  # seconds for one answer of a service


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.txt"
        probe.write_text(KNOWN_BAD + "\n")
        service = next((s for s in SERVICES if any(one.get("vulns") for one in audit(s, probe) or [])), None)
        if service is None:
            print(
                "NOT AUDITED: no advisory service answers here (asked: PyPI's and OSV). Run `make audit` on a network."
            )
            return 2
        codes = {report(service, lock, Path(folder)) for lock in LOCKS}
        return 1 if 1 in codes else max(codes)


def report(service: str, lock: str, folder: Path) -> int:
    """Audit one lock, print the result, and return the exit code."""
    found = []
    for part, pins in enumerate(parts((HERE / lock).read_text())):
        path = folder / f"{part}-{lock}"
        path.write_text("\n".join(pins) + "\n")
        answers = audit(service, path)
        if answers is None:
            print(f"NOT AUDITED: {lock}: the service did not answer to the end.")
            return 2
        found += answers
    bad = [one for one in found if one.get("vulns")]
    left_out = [one["name"] for one in found if "skip_reason" in one]
    for one in bad:
        ids = ", ".join(vulnerability["id"] for vulnerability in one["vulns"])
        fixed = sorted({version for v in one["vulns"] for version in v["fix_versions"]})
        print(f"{lock}: {one['name']} {one['version']}: {ids}; fixed in: {', '.join(fixed) or 'no release yet'}")
    print(
        f"{lock}: {len(found) - len(left_out)} of {len(found)} pins looked up, {len(bad)} with known vulnerabilities."
    )
    if left_out:
        print(f"NOT AUDITED: {lock}: {', '.join(left_out)}")
    return 1 if bad else 2 if left_out else 0


def parts(lock: str) -> list[list[str]]:
    """Split the pins of a lock into parts which name each package once: some have other versions for other Pythons."""
    found: list[list[str]] = []
    for line in lock.splitlines():
        if line.startswith(("#", " ")) or "==" not in line:
            continue
        pin = line.split(" ")[0].split("+")[0]  # the advisories know no local label such as +cpu
        name = pin.split("==")[0]
        part = next((part for part in found if not any(other.startswith(f"{name}==") for other in part)), None)
        if part is None:
            found.append(part := [])
        part.append(pin)
    return found


def audit(service: str, pins: Path) -> list[dict] | None:
    """Return pip-audit's list of dependencies, or None when the service does not answer."""
    command = [
        sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--requirement", str(pins), "--no-deps",
        "--disable-pip", "--format", "json", "--timeout", str(TIMEOUT), "--progress-spinner", "off",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None


if __name__ == "__main__":
    sys.exit(main())
