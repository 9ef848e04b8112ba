"""Check what this machine computes, and tell what it is: for a first look at a GPU, and for bug reports.

  %(prog)s --save_dir output/doctor
  %(prog)s --device cpu
  %(prog)s --check convolution

Takes minutes, and no data. Each check is told with what is expected, what was seen, and if it is wrong what
to do; it has a process of its own, so that one that crashes or hangs is told like the others. Those that do
not apply, as reduced precision on a CPU, are left out with the reason. doctor.json has all of it, without
names of users, hosts and folders; after Ctrl-C, what was found until then.
Exit code 0: all is right; 1: something is wrong; 2: a mistake on the command line.
"""

import argparse
import sys
from pathlib import Path

from paddleseg_lite.errors import UserError
from paddleseg_lite.printable import say


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    # Not flags.add_device, by which the command itself would take the device: that may be what crashes.
    text = "what to check: auto (a GPU if there is one, else the CPU), cpu, gpu or gpu:N; default auto"
    add("--device", dest="examined", default="auto", help=text)
    add(
        "--save_dir", type=Path, default=Path("output/doctor"), help="of doctor.json; default ./output/doctor"
    )
    add("--check", metavar="NAME", help="do this one alone, in this process, where a debugger can see it")


def work(args: argparse.Namespace) -> None:
    from paddleseg_lite.doctor.examine import examine
    from paddleseg_lite.doctor.machine import machine
    from paddleseg_lite.doctor.report import FILE, WRONG, Report, facts_text

    if args.check:
        _check(args)
    report, path = Report(machine(args.save_dir)), args.save_dir / FILE
    _tell(facts_text(report.machine))
    try:
        examine(report, args.examined, lambda: report.save(path), _tell)
    finally:
        say(f"{report.summary()}; for a bug report: {path}")
    if report.named(WRONG):
        sys.exit(1)


def _tell(text: str) -> None:
    say(*text.splitlines())
    sys.stdout.flush()  # the next check takes a while, also for who reads a pipe


def _check(args: argparse.Namespace) -> None:
    """Do one check here, and exit."""
    from paddleseg_lite.cli.run import set_device
    from paddleseg_lite.doctor.examine import run_here, write_finding
    from paddleseg_lite.doctor.table import CHECKS
    from paddleseg_lite.registry import did_you_mean

    checks = {check.name: check for check in CHECKS}
    if args.check not in checks:
        known = f"give one of {', '.join(checks)}{did_you_mean(args.check, checks)}"
        raise UserError(f"--check is '{args.check}'; {known}")
    set_device(args.examined)
    finding = run_here(checks[args.check])
    write_finding(finding, args.save_dir)
    say(f"{args.check}: {'right' if finding.is_right else 'WRONG'}: {finding.seen}")
    sys.exit(0 if finding.is_right else 1)
