"""examples/halving_trainer.py: whatever the training code does, the worker reads what it should."""

import math

import trainer_child

PREAMBLE = f"""
import os, subprocess, sys
sys.path.insert(0, {str(trainer_child.EXAMPLES)!r})
import halving_trainer

def write(path):
    with open(path, "w") as file:
        file.write("state")

"""
ORDINARY = """
for job in halving_trainer.jobs():
    with job:
        for epoch in job.epochs():
            job.report(epoch, 1 / epoch)
            job.save(write)
        job.done(metrics={"answer": 42})
"""


def body(code):
    """A program whose jobs are `code`."""
    lines = "".join(f"        {line}\n" for line in code.strip().splitlines())
    return f"for job in halving_trainer.jobs():\n    with job:\n{lines}"


class HalvingTrainerTest(trainer_child.TrainerTest):

    def start_program(self, code):
        path = self.dir / "program.py"
        path.write_text(PREAMBLE + code)
        return self.start(program=path)

    def test_an_ordinary_job_and_the_next_one(self):
        child = self.start_program(ORDINARY)
        expected = [{"epoch": 1, "error": 1.0}, {"epoch": 2, "error": 0.5},
                    {"checkpoint": {"epoch": 2}},
                    {"done": {"error": 0.5, "metrics": {"answer": 42.0}}}]
        self.assertEqual(self.run_job(child, self.job(2)), expected)
        self.assertEqual((self.dir / "out").read_text(), "state")
        self.assertEqual(self.run_job(child, self.job(2)), expected)
        self.assertEqual(child.close(), 0)

    def test_fields_come_by_their_names_and_unknown_ones_do_no_harm(self):
        child = self.start_program(body(
            "print([job.study, job.trial_id, job.objective, job.options, job.config, job.seed,\n"
            "       job.from_epoch, job.to_epoch, job.max_epochs, job.device,\n"
            "       job.fields['save']])\n"
            "job.done(1)"))
        self.run_job(child, self.job(2, config={"a": 1}, options={"b": 2}, save=3))
        child.close()
        self.assertIn("['s', 7, 'o', {'b': 2}, {'a': 1}, 5, 0, 2, 27, 'cpu', 3]", child.text())

    def test_no_checkpoint_out_no_checkpoint(self):
        job = self.job(1)
        del job["checkpoint_out"]
        events = self.run_job(self.start_program(ORDINARY), job)
        self.assertEqual([list(e)[0] for e in events], ["epoch", "done"])

    def test_nothing_that_anybody_prints_breaks_a_line(self):
        child = self.start_program("os.write(1, b'before')\n" + body(
            "print('half a line', end='')\n"
            "print('{\"done\": {\"error\": 0}}')\n"
            "os.write(1, b'from C')\n"
            "subprocess.run(['echo', 'from a child'], check=True)\n"
            "job.report(1, 0.5)\n"
            "sys.stdout.write('and more')\n"
            "job.done()"))
        child.send(self.job(1))
        child.popen.stdin.close()
        self.assertEqual(child.next_line(), "before\n")  # A line of its own, for the log.
        self.assertEqual(child.until(), [{"epoch": 1, "error": 0.5},
                                         {"done": {"error": 0.5, "metrics": {}}}])
        for text in ("half a line", "from C", "from a child", "and more", '{"done"'):
            self.assertIn(text, child.text())

    def test_what_reads_standard_input_gets_no_jobs(self):
        child = self.start_program(body(
            "read = subprocess.run(['cat'], stdout=subprocess.PIPE).stdout + os.read(0, 10)\n"
            "job.done(len(read))"))
        child.send(self.job(1))
        child.send(self.job(1))
        for _ in range(2):
            self.assertEqual(child.next()["done"]["error"], 0)

    def test_an_error_may_be_nan_and_of_any_numeric_type(self):
        child = self.start_program(body(
            "import fractions\n"
            "job.report(1, float('nan'))\n"
            "job.report(2, fractions.Fraction(1, 2))\n"
            "job.done(float('-inf'))"))
        events = self.run_job(child, self.job(2))
        self.assertTrue(math.isnan(events[0]["error"]))
        self.assertEqual(events[1]["error"], 0.5)
        self.assertEqual(events[2]["done"]["error"], -math.inf)

    def test_exceptions_that_have_a_meaning(self):
        child = self.start_program(body("""
if job.options["do"] == "invalid":
    raise halving_trainer.InvalidJob("rate is -1 \\udcff")
raise halving_trainer.UnusableCheckpoint("too short")"""))
        self.assert_failed(self.run_job(child, self.job(1, options={"do": "invalid"})),
                           "rate is -1 ?")
        self.assert_failed(self.run_job(child, self.job(1, options={"do": "unusable"})),
                           "too short", unusable_checkpoint=True)
        self.assertEqual(child.close(), 0)

    def test_out_of_memory_is_told_and_ends_the_program(self):
        for error in ("MemoryError()", "RuntimeError('CUDA error: out of memory')",
                      "type('OutOfMemoryError', (RuntimeError,), {})('tried to allocate 2 GiB')",
                      "RuntimeError(\"DefaultCPUAllocator: can't allocate memory\")"):
            child = self.start_program(body(f"raise {error}"))
            self.assert_failed(self.run_job(child, self.job(1)), retryable=True,
                               out_of_memory=True)
            self.assertIsNone(child.next())
            self.assertEqual(child.wait(), 1)

    def test_any_other_exception_ends_the_program_with_its_traceback(self):
        child = self.start_program(body("raise ValueError('what happened')"))
        child.send(self.job(1))
        self.assertIsNone(child.next())
        self.assertEqual(child.wait(), 1)
        self.assertIn("ValueError: what happened", child.text())

    def test_a_job_that_is_not_ended_fails(self):
        child = self.start_program(body("job.report(1, 1)"))
        self.assert_failed(self.run_job(child, self.job(1)), "neither by done() nor by fail()")

    def test_done_without_any_error_is_a_bug_and_not_a_result(self):
        child = self.start_program(body("job.done()"))
        child.send(self.job(1))
        self.assertIsNone(child.next())
        self.assertIn("done() without an error", child.text())

    def test_a_line_that_is_no_job_fails_and_the_next_one_is_served(self):
        child = self.start_program(ORDINARY)
        for line in ("nonsense", "{}", "[]", '{"job": {}}', '{"job": 3}'):
            child.send(line + "\n")
            self.assert_failed([child.next()], repr(line + "\n"))
        self.assertIn("done", self.run_job(child, self.job(1))[-1])

    def test_sigterm_lets_the_epoch_end_and_has_it_saved(self):
        child = self.start_program(ORDINARY)
        child.send(self.job(10**9))
        events = [child.next() for _ in range(2)]
        child.signal_group()
        self.assert_leaves_with_a_checkpoint(child, events)
        self.assertEqual(child.wait(), 0, child.text())

    def test_sigterm_at_any_moment_of_an_epoch_loses_no_epoch(self):
        # When it comes too late for save() to heed it, it is heeded after the next epoch.
        for moment, leaves_at in (("training", 2), ("reported", 3), ("saved", 3)):
            term = {name: "pass" for name in ("training", "reported", "saved")}
            term[moment] = "os.kill(os.getpid(), 15) if epoch == 2 else None"
            child = self.start_program(body(f"""
for epoch in job.epochs():
    {term["training"]}
    job.report(epoch, 1)
    {term["reported"]}
    job.save(write)
    {term["saved"]}
job.done()"""))
            with self.subTest(moment):
                child.send(self.job(9))
                self.assertEqual(self.assert_leaves_with_a_checkpoint(child, []), leaves_at)

    def test_sigterm_right_after_a_checkpoint_loses_nothing(self):
        child = self.start_program(body("""
for epoch in job.epochs():
    job.report(epoch, 1)
    job.save(write)
    if epoch == 2:
        os.kill(os.getpid(), 15)
job.done()"""))
        child.send(self.job(9, checkpoint_interval=1e-9))
        self.assertEqual(self.assert_leaves_with_a_checkpoint(child, []), 2)

    def test_sigterm_in_the_last_epoch_lets_the_job_be_done(self):
        child = self.start_program(body("""
for epoch in job.epochs():
    os.kill(os.getpid(), 15)
    job.report(epoch, 1)
    job.save(write)
job.done()"""))
        child.send(self.job(1))
        self.assertEqual([list(e)[0] for e in child.until()], ["epoch", "checkpoint", "done"])
        self.assertEqual(child.wait(), 0)

    def test_sigterm_ends_a_program_that_saves_nothing_after_its_epoch(self):
        child = self.start_program(body("""
for epoch in job.epochs():
    job.report(epoch, 1)
job.done()"""))
        child.send(self.job(10**9))
        child.next()
        child.signal_group()
        # It may have been told between the line that was read and the next one.
        self.assertLessEqual({list(e)[0] for e in child.until()}, {"epoch"})
        self.assertEqual(child.wait(), 0)

    def test_sigterm_between_jobs_ends_it(self):
        child = self.start_program(ORDINARY)
        self.run_job(child, self.job(1))
        child.signal_group()
        self.assertIsNone(child.next())
        self.assertEqual(child.wait(), 0)


if __name__ == "__main__":
    trainer_child.main()
