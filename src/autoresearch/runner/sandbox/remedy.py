"""How to reach a tier that this machine denies, in plain words; not how it was tried."""

from __future__ import annotations

# setting -> (value that denies user namespaces, value that allows them)
SWITCHES = {
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),  # Ubuntu since 23.10
    "kernel.unprivileged_userns_clone": ("0", "1"),  # Debian and its kin
    "user.max_user_namespaces": ("0", "10000"),
}
NAMESPACES = """Containers deny namespaces by default: start this one under a seccomp profile that
allows unshare (Docker: --security-opt seccomp=PROFILE)."""
REMEDIES = {
    "T3": NAMESPACES,
    "T2": "Run as root, with the interpreter and this project where user nobody can read them.",
    "T1": """Landlock and seccomp need Linux 5.13 on x86_64 or aarch64, landlock in the boot option
lsm=, and a container profile that allows both.""",
    "T0": "Use Linux, with /proc mounted and room in the temporary directory.",
}


def remedy(tier: str) -> str:
    """The setting that stands in the way if one is known to, else the usual cause."""
    for name, (denies, allows) in SWITCHES.items():
        if tier == "T3" and _value(name) == denies:
            return f"User namespaces are switched off: sudo sysctl -w {name}={allows}"
    return REMEDIES[tier].replace("\n", " ")


def _value(name: str) -> str:
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
