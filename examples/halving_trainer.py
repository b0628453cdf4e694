"""The trainer's side of docs/trainers.md, in one file without dependencies to copy beside a script.

    import halving_trainer

    for job in halving_trainer.jobs():
        with job:
            model = Model(job.config, job.seed)
            if job.checkpoint_in:
                model.load(job.checkpoint_in)
            for epoch in job.epochs():
                job.report(epoch, model.train_one_epoch(epoch))
                job.save(model.write)  # model.write(path)
            job.done()

jobs() takes standard input and output for itself: whatever else is printed, by print(), a library
or a child process, goes to standard error, which is the worker's log. SIGTERM lets the epoch end,
has it saved, and ends the program. Call everything from the main thread.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import time

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory",
                  "not enough memory", "outofmemory", "cublas_status_alloc_failed")


class InvalidJob(Exception):
    """The config or the options are at fault: the trial fails, and is not tried again."""


class UnusableCheckpoint(Exception):
    """checkpoint_in cannot be gone on from: the trial goes back to an older one, or to epoch 0."""


def tells_of_memory(text):
    """Whether an error message, of whatever program, says that memory ran out."""
    return any(words in text.lower() for words in _OUT_OF_MEMORY)


class Job:
    """One job, with the fields of the job line by their names.

    As a context manager it turns exceptions into what the worker understands. One that it does not
    know ends the program with its traceback, upon which the trial is tried again.
    """

    def __init__(self, fields, say):
        self.fields = fields
        self.study, self.trial_id = fields.get("study"), fields.get("trial_id")
        self.objective, self.options = fields.get("objective"), fields.get("options", {})
        self.config, self.seed = fields.get("config", {}), fields.get("seed", 0)
        self.from_epoch, self.to_epoch = fields.get("from_epoch", 0), fields["to_epoch"]
        self.max_epochs = fields.get("max_epochs")  # None: the worker does not say.
        self.checkpoint_in = fields.get("checkpoint_in")  # None: from scratch.
        self.checkpoint_out = fields.get("checkpoint_out")  # None: nobody wants one.
        self.checkpoint_interval = fields.get("checkpoint_interval", 0)  # Seconds; 0: at the end.
        self.device = os.environ.get("HALVING_DEVICE", "cpu")
        self.leaving = False  # SIGTERM came,
        self.leaving_since = None  # then, as time.time_ns() has it.
        self.ended = False  # By done() or fail().
        self._say = say
        self._epoch, self._error, self._saved = self.from_epoch, None, None
        self._saved_at = time.monotonic()
        self._leave_after_epoch = False

    def epochs(self):
        """from_epoch + 1 to to_epoch. After SIGTERM it ends the program (SystemExit) instead."""
        for epoch in range(self.from_epoch + 1, self.to_epoch + 1):
            yield epoch
            # A signal that came when save() had had its turn waits for the next epoch's.
            leave = self._leave_after_epoch or (self.leaving and self._saved == epoch)
            if leave and epoch < self.to_epoch:
                sys.exit()

    def report(self, epoch, error):
        """To be called after each epoch. What is minimised may be NaN: the training diverged."""
        self._epoch, self._error = int(epoch), float(error)
        self._say({"epoch": self._epoch, "error": self._error})
        self._leave_after_epoch = self.leaving

    def save(self, write):
        """To be called after report(). When a checkpoint is due, has it written by write(path).

        One is due at to_epoch, after SIGTERM, and every checkpoint_interval seconds. Returns
        whether it was.
        """
        interval = self.checkpoint_interval or 0
        due = interval > 0 and time.monotonic() - self._saved_at >= interval
        if not (due or self._leave_after_epoch or self._epoch == self.to_epoch):
            return False
        self.save_now(write, self._epoch)
        return True

    def save_now(self, write, epoch):
        """Has a checkpoint of `epoch` written by write(path), and tells the worker."""
        if not self.checkpoint_out:
            return
        part = self.checkpoint_out + ".part"
        try:
            write(part)
            os.replace(part, self.checkpoint_out)  # So that the path only ever holds a whole file.
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # A full disk costs the checkpoint, not the result.
            print(f"no checkpoint of epoch {epoch}: {error}", file=sys.stderr, flush=True)
            return
        finally:
            with contextlib.suppress(OSError):
                os.remove(part)
        self._say({"checkpoint": {"epoch": epoch}})
        self._saved, self._saved_at = epoch, time.monotonic()

    def done(self, error=None, metrics=None):
        """The job is done. Without `error` it is the one that was reported last."""
        error = self._error if error is None else float(error)
        if error is None:
            raise RuntimeError("done() without an error, and none was reported before")
        metrics = {name: float(value) for name, value in (metrics or {}).items()}
        self._end({"done": {"error": error, "metrics": metrics}})

    def fail(self, reason, retryable=False, unusable_checkpoint=False, out_of_memory=False):
        """The job cannot be done. Retryable: it may go well another time or elsewhere."""
        reason = str(reason).encode("utf-8", "replace").decode()  # Lone surrogates are no JSON.
        failed = {"reason": reason, "retryable": retryable}
        if unusable_checkpoint:
            failed["unusable_checkpoint"] = True
        if out_of_memory:
            failed["out_of_memory"] = True
        self._end({"failed": failed})

    def _end(self, event):
        if self.ended:
            raise RuntimeError(f"the job has ended; {event} comes too late")
        self.ended = True
        self._say(event)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.ended or not isinstance(error, Exception):
            return False
        if isinstance(error, (InvalidJob, UnusableCheckpoint)):
            self.fail(error, unusable_checkpoint=isinstance(error, UnusableCheckpoint))
            return True
        if isinstance(error, MemoryError) or tells_of_memory(f"{kind.__name__}: {error}"):
            # The program ends all the same, as with any error: the next one finds the device empty.
            self.fail(f"{kind.__name__}: {error}", retryable=True, out_of_memory=True)
        return False


def jobs():
    """Each job of the worker, until it closes standard input or sends SIGTERM. Call it once."""
    lines, events = _take_standard_streams()
    current = []

    def say(event):
        print(json.dumps(event), file=events, flush=True)

    owner = os.getpid()

    def on_sigterm(*_):
        if os.getpid() != owner:  # A fork of us, such as a data loader: it ends as it would have.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        if not current:
            sys.exit()
        current[0].leaving, current[0].leaving_since = True, time.time_ns()

    signal.signal(signal.SIGTERM, on_sigterm)
    for line in lines:
        try:
            job = Job(json.loads(line)["job"], say)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            say({"failed": {"reason": f"cannot read the job {line[:200]!r}: {error!r}; expected "
                                      'one line of {"job": {...}}'}})
            continue
        current.append(job)
        try:
            yield job
        finally:
            current.clear()
        if job.leaving:
            return
        if not job.ended:
            job.fail("the training program ended the job neither by done() nor by fail()")


def _take_standard_streams():
    """Streams to the worker; what others print goes to stderr, and what they read is empty."""
    lines = os.fdopen(os.dup(0), encoding="utf-8")
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.reconfigure(line_buffering=True)  # Else log lines would show up late.
    print(file=events, flush=True)  # Ends what was printed before without a newline.
    return lines, events
