#!/usr/bin/env python3
"""Makes a trainer of a script that knows nothing of Halving: it fills in the script's command line,
and finds the errors in what the script prints.

    halving-worker --objectives wrapped --trainer "python3 examples/wrap_command.py
        --epoch-regex 'epoch ([0-9]+)' --error-regex 'val_loss=([-+.0-9eEinfa]+)'
        --resume-args '--resume {checkpoint_in}'
        -- python3 examples/wrapped_script.py --lr {learning_rate} --momentum {momentum}
           --epochs {to_epoch} --seed {seed} --save {checkpoint_out}"

A placeholder {name} stands for a value of the config, else of the study's options, else for study,
trial_id, seed, from_epoch, to_epoch, max_epochs, device, checkpoint_in or checkpoint_out; {{ and }}
are braces. The command runs without a shell, each argument as it is, whatever a value holds.

The script gets the worker's SIGTERM as this program does, and is waited for.
"""

import argparse
import collections
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import halving_trainer

JOB_FIELDS = ("study", "trial_id", "seed", "from_epoch", "to_epoch", "max_epochs", "device",
              "checkpoint_in", "checkpoint_out")
TAIL_LINES = 30
MAX_TAIL_CHARACTERS = 4000  # A reason is kept up to some 8 KiB, and the end matters most.
CLOCK_SLACK_NS = 50_000_000  # Files are stamped by a coarser clock than time.time_ns().
MAX_LINE_CHARACTERS = 1 << 16  # A longer line is read in pieces.
TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class ScriptFailed(Exception):
    """The script ended badly; `out_of_memory` when it said so."""

    def __init__(self, reason, out_of_memory):
        super().__init__(reason)
        self.out_of_memory = out_of_memory


def placeholders(template):
    """The names in a template. ValueError: a brace stands alone."""
    for token in TOKEN.finditer(template):
        if token[0] in ("{", "}"):
            raise ValueError(f"a single {token[0]} in {template!r}; write {token[0] * 2} for a "
                             "brace, {name} for a value")
    return [token[1] for token in TOKEN.finditer(template) if token[1] is not None]


def fill(template, values):
    def value_of(token):
        if token[1] is None:
            return token[0][0]  # {{ or }}
        if token[1] not in values:
            raise halving_trainer.InvalidJob(
                f"the trainer's command line has the placeholder {token[0]}, which this job does "
                f"not know; it has {', '.join(sorted(values))}")
        value = values[token[1]]
        return value if isinstance(value, str) else json.dumps(value)

    return TOKEN.sub(value_of, template)


def values_for(job, script_checkpoint):
    values = {name: getattr(job, name) for name in JOB_FIELDS}
    values["checkpoint_out"] = script_checkpoint
    values.update(job.options)
    values.update(job.config)
    return {name: value for name, value in values.items() if value is not None}


class Readings:
    """What was found in the script's output so far, told to the worker as it comes."""

    def __init__(self, flags, job):
        self.flags, self.job = flags, job
        self.epoch, self.printed_epoch, self.error = job.from_epoch, None, None
        self.metrics = {}
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self.out_of_memory = False

    def take(self, line):
        self.tail.append(line)
        self.out_of_memory |= halving_trainer.tells_of_memory(line)
        if self.flags.epoch_regex and (found := self.flags.epoch_regex.search(line)):
            self.printed_epoch = number_in(found, line)
            if not self.printed_epoch.is_integer():
                raise halving_trainer.InvalidJob(
                    f"--epoch-regex found {found[1]!r} in {line!r}; expected a whole number")
        for name, regex in self.flags.metric:
            if found := regex.search(line):
                self.metrics[name] = number_in(found, line)
        if found := self.flags.error_regex.search(line):
            value = number_in(found, line)
            self.error = -value if self.flags.maximize else value
            if not self.flags.final_only:
                self.report(line)

    def report(self, line):
        epoch = self.epoch + 1
        if self.flags.epoch_regex:
            if self.printed_epoch is None:
                return  # Of before the first epoch, such as that of the untrained model.
            epoch = int(self.printed_epoch) - self.flags.first_epoch + 1
        if not self.epoch < epoch <= self.job.to_epoch:
            raise halving_trainer.InvalidJob(
                f"{line!r} gives the error of epoch {epoch}, after that of epoch {self.epoch}; "
                f"expected one error an epoch, rising to {self.job.to_epoch}. Have --error-regex "
                "match once an epoch, and give --epoch-regex (and --first-epoch 0 if the script "
                "counts from 0)")
        self.epoch = epoch
        self.job.report(epoch, self.error)

    def last_lines(self):
        return "its last lines:\n" + "\n".join(self.tail)[-MAX_TAIL_CHARACTERS:]


def number_in(found, line):
    try:
        return float(found[1])
    except (TypeError, ValueError):
        raise halving_trainer.InvalidJob(
            f"{found.re.pattern!r} found {found[1]!r} in {line!r}; its first group must hold a "
            "number") from None


def run_script(command, readings):
    """Runs the script to its end; its exit status, negative for a signal, as subprocess has it."""
    try:
        # In the trainer's process group, so that the worker's SIGTERM and SIGKILL reach it as well.
        # Nothing passes SIGTERM on a second time: it would kill a script that is on its way out.
        script = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
    except OSError as error:
        raise ScriptFailed(f"cannot start {shlex.join(command)}: {error}", False) from error
    except ValueError as error:  # A zero byte in an argument.
        raise halving_trainer.InvalidJob(f"cannot start {command}: {error}") from error
    try:
        with script.stdout:
            # A progress bar's \r ends a line here, too.
            while line := script.stdout.readline(MAX_LINE_CHARACTERS):
                print(line.rstrip("\n"), flush=True)  # To the worker's log.
                readings.take(line.rstrip("\n"))
        return script.wait()
    finally:
        if script.poll() is None:
            script.kill()
            script.wait()


def state_of(path):
    """Changes whenever the file is written; None without one."""
    try:
        file = os.stat(path)
    except OSError:
        return None
    return file.st_ino, file.st_mtime_ns, file.st_size


def describe(status):
    if status >= 0:
        return f"exited with status {status}"
    return f"was killed by signal {-status} ({signal.Signals(-status).name})"


def check_resumes(flags, job):
    names = [name for part in flags.command + flags.resume_args for name in placeholders(part)]
    if job.from_epoch > 0 and "checkpoint_in" not in names:
        raise halving_trainer.InvalidJob(
            f"the trial goes on from epoch {job.from_epoch}, but the command line has no "
            "{checkpoint_in}; give --resume-args '--resume {checkpoint_in}', or have the script "
            "write no checkpoint")


def train(flags, job):
    check_resumes(flags, job)
    # Not the path that the worker takes files from: what lies there must be whole.
    script_out = f"{job.checkpoint_out}.script" if job.checkpoint_out else os.devnull
    values = values_for(job, script_out)
    arguments = flags.command + (flags.resume_args if job.from_epoch > 0 else [])
    checkpoint = fill(flags.checkpoint, values)
    before = state_of(checkpoint)
    readings = Readings(flags, job)
    try:
        status = run_script([fill(part, values) for part in arguments], readings)
        if status != 0:
            raise ScriptFailed(f"the script {describe(status)}; {readings.last_lines()}",
                               readings.out_of_memory)
        # After SIGTERM the script has ended where it stood, if it heeds that at all.
        stands_at = readings.epoch if job.leaving else job.to_epoch
        if os.path.isdir(checkpoint):
            raise halving_trainer.InvalidJob(f"the script's checkpoint {checkpoint} is a folder; "
                                             "expected one file, such as an archive of it")
        written = state_of(checkpoint) not in (None, before)
        if job.leaving:  # What it wrote before SIGTERM may be of an epoch before the last.
            written = written and os.stat(checkpoint).st_mtime_ns > job.leaving_since - CLOCK_SLACK_NS
        if written and stands_at > job.from_epoch:
            job.save_now(lambda path: shutil.copyfile(checkpoint, path), stands_at)
        if job.leaving and stands_at < job.to_epoch:
            return
        if readings.error is None:
            raise halving_trainer.InvalidJob(
                f"the script ended well, but --error-regex {flags.error_regex.pattern!r} matched "
                f"no line that it printed; {readings.last_lines()}")
        job.done(readings.error, readings.metrics)
    finally:
        if job.checkpoint_out and os.path.exists(script_out):
            os.remove(script_out)


def regex(text):
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    if compiled.groups < 1:
        raise argparse.ArgumentTypeError(f"{text!r} has no group; put ( ) around the number")
    return compiled


def metric(text):
    name, equals, pattern = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=REGEX")
    return name, regex(pattern)


def template(text):
    try:
        placeholders(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def parse_flags(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     usage="%(prog)s --error-regex REGEX [OPTION...] -- COMMAND...",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--error-regex", type=regex, required=True,
        help="finds what is minimised in a line of the script's output: its first group is the "
             "number; nan and inf say that the training diverged")
    add("--epoch-regex", type=regex,
        help="finds the epoch that an error belongs to, in the same line or before it; without it "
             "the k-th error is that of epoch from_epoch + k")
    add("--first-epoch", type=int, default=1, metavar="N",
        help="what --epoch-regex finds in the first epoch of all [1]")
    add("--final-only", action="store_true",
        help="only the last match of --error-regex counts, as the result; no curve is reported")
    add("--metric", type=metric, action="append", default=[], metavar="NAME=REGEX",
        help="another number to keep with the result, the last one found; may be repeated")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--minimize", action="store_true", help="the default")
    goal.add_argument("--maximize", action="store_true",
                      help="what --error-regex finds is better when higher: the error is its "
                           "negative, so 0.93 shows as -0.93, and so does a target_error")
    add("--resume-args", type=template, default="", metavar="ARGS",
        help="arguments that are appended when the trial goes on from a checkpoint, e.g. "
             "'--resume {checkpoint_in}'")
    add("--checkpoint", type=template, default="{checkpoint_out}", metavar="FILE",
        help="where the script leaves its checkpoint; what it has written there by its end is "
             "kept [{checkpoint_out}]")
    # Split here, since a command may have a -- of its own.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = parser.parse_args(arguments[:end])
    try:
        flags.resume_args = shlex.split(flags.resume_args)
        flags.command = [template(part) for part in arguments[end + 1:]]
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))
    if not flags.command:
        parser.error("the script's command line is missing; give it after --")
    return flags


def main():
    flags = parse_flags(sys.argv[1:])
    for job in halving_trainer.jobs():
        with job:
            try:
                train(flags, job)
            except ScriptFailed as error:
                if not job.leaving:  # After SIGTERM nobody is to blame.
                    job.fail(error, retryable=True, out_of_memory=error.out_of_memory)


if __name__ == "__main__":
    main()
