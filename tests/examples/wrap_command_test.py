"""examples/wrap_command.py makes a trainer of scripts that know nothing of it."""

import math
import sys

import trainer_child

SCRIPT = trainer_child.EXAMPLES / "wrapped_script.py"
ERROR = r"val_loss=([-+.0-9eEinfa]+)"
FOREVER = 10**9


class WrapTest(trainer_child.TrainerTest):

    program = "wrap_command.py"

    def script(self, code):
        path = self.dir / "script.py"
        path.write_text("import os, signal, sys, time\n" + code)
        return path

    def wrap(self, script, *args, flags=(), error=ERROR):
        return self.start("--error-regex", error, *flags, "--", sys.executable, script, *args)


class WrappedScriptTest(WrapTest):
    """The stand-in for an existing script, wrapped as docs/trainers.md shows."""

    config = {"learning_rate": 0.01, "momentum": 0.5}

    def start(self, *args, **kwargs):
        if args:
            return super().start(*args, **kwargs)
        return self.wrap(SCRIPT, "--lr", "{learning_rate}", "--momentum", "{momentum}", "--epochs",
                         "{to_epoch}", "--seed", "{seed}", "--save", "{checkpoint_out}",
                         flags=("--epoch-regex", "epoch ([0-9]+)",
                                "--resume-args", "--resume {checkpoint_in}"))

    def test_a_whole_job_and_the_same_one_again(self):
        self.check_a_whole_job(3)

    def test_resuming_gives_the_same_bits(self):
        self.check_resuming_gives_the_same_bits(2, 5)

    def test_a_training_that_diverges_says_so(self):
        events = self.run_job(self.start(), self.job(2, config={"learning_rate": 9, "momentum": 0}))
        self.assertTrue(math.isnan(events[-1]["done"]["error"]), events)

    def test_a_checkpoint_that_is_none_fails_with_the_scripts_last_words(self):
        (self.dir / "bad").write_text("{")
        events = self.run_job(self.start(), self.job(3, from_epoch=2, checkpoint_in="bad"))
        self.assert_failed(events, "exited with status 1", "JSONDecodeError", retryable=True)

    def test_sigterm_ends_the_script_and_then_the_wrapper(self):
        child = self.start()
        child.send(self.job(FOREVER))
        child.next()
        child.signal_group()
        events = child.until()
        self.assertEqual({list(e)[0] for e in events} | {"epoch"}, {"epoch"}, events[-3:])
        self.assertEqual(child.wait(), 0, child.text())
        self.assertFalse(any("out" in p.name for p in self.dir.iterdir()))

    def test_sigterm_between_jobs_ends_it(self):
        self.check_sigterm_between_jobs()


class PlaceholdersTest(WrapTest):
    """What the script is started with."""

    ECHO = "print(sys.argv[1:])\nprint('val_loss=1')\n"

    def arguments(self, *templates, flags=(), **job):
        """The arguments that the script got, as it printed them."""
        child = self.wrap(self.script(self.ECHO), *templates, flags=flags)
        events = self.run_job(child, self.job(2, **job))
        self.assertIn("done", events[-1], events)
        return eval(child.text().splitlines()[0])  # A list of strings, printed by ECHO above.

    def test_config_comes_before_options_and_options_before_the_jobs_own(self):
        got = self.arguments("{a}", "{b}", "{seed}", "{trial_id}", "{device}", "{max_epochs}",
                             config={"a": 1, "seed": 99}, options={"a": 2, "b": 3, "trial_id": 8})
        self.assertEqual(got, ["1", "3", "99", "8", "cpu", "27"])

    def test_values_are_written_as_json_and_strings_as_they_are(self):
        got = self.arguments("--x={a}", "{b}{c}", "{d}", "{e}",
                             config={"a": 1e-05, "b": 128, "c": "x y", "d": True, "e": [1, "z"]})
        self.assertEqual(got, ["--x=1e-05", "128x y", "true", '[1, "z"]'])

    def test_double_braces_are_braces(self):
        self.assertEqual(self.arguments("{{a}}", "{{{a}}}", config={"a": 1}), ["{a}", "{1}"])

    def test_no_shell_and_no_second_filling_sees_a_value(self):
        evil = f"'; touch {self.dir}/ran; $(touch {self.dir}/ran) {{seed}}\n"
        self.assertEqual(self.arguments("{a}", config={"a": evil}), [evil])
        self.assertFalse((self.dir / "ran").exists())

    def test_a_command_may_have_two_dashes_of_its_own(self):
        self.assertEqual(self.arguments("--", "-x"), ["--", "-x"])

    def test_an_unknown_placeholder_fails_for_good_and_says_what_there_is(self):
        child = self.wrap(self.script(self.ECHO), "{rate}")
        events = self.run_job(child, self.job(2, config={"learning_rate": 1}))
        self.assert_failed(events, "{rate}", "learning_rate", "to_epoch")
        # From scratch there is no checkpoint_in.
        child = self.wrap(self.script(self.ECHO), "{checkpoint_in}")
        self.assert_failed(self.run_job(child, self.job(2)), "{checkpoint_in}")

    def test_a_command_line_that_is_wrong_is_refused_at_the_start(self):
        for flags, words in (("--error-regex x( -- a", "no regular expression"),
                             ("--error-regex x -- a", "has no group"),
                             ("--error-regex (x) -- {a", "a single {"),
                             ("--error-regex (x) --resume-args ' -- a", "quotation"),
                             ("--error-regex (x) --metric x -- a", "NAME=REGEX"),
                             ("--error-regex (x) a", "unrecognized"),
                             ("--error-regex (x)", "after --"),
                             ("-- a", "--error-regex")):
            child = self.start(*flags.split())
            self.assertEqual(child.wait(), 2)
            self.assertIn(words, child.text())

    def test_a_trial_that_goes_on_needs_to_tell_the_script_from_where(self):
        child = self.wrap(self.script(self.ECHO), "{checkpoint_out}")
        events = self.run_job(child, self.job(3, from_epoch=1, checkpoint_in="x"))
        self.assert_failed(events, "goes on from epoch 1", "--resume-args")


class OutputTest(WrapTest):
    """What is found in the script's output."""

    def events(self, code, to_epoch, flags=(), error=ERROR, **job):
        child = self.wrap(self.script(code), flags=("--resume-args", "{checkpoint_in}", *flags),
                          error=error)
        return self.run_job(child, self.job(to_epoch, **job))

    def errors(self, events):
        return [(e["epoch"], e["error"]) for e in events if "epoch" in e]

    def test_without_an_epoch_regex_matches_are_counted_from_from_epoch(self):
        code = "print('val_loss=3')\nprint('noise')\nprint('val_loss=2e-1', file=sys.stderr)\n"
        events = self.events(code, 6, from_epoch=4, checkpoint_in="in")
        self.assertEqual(self.errors(events), [(5, 3), (6, 0.2)])
        self.assertEqual(events[-1]["done"]["error"], 0.2)

    def test_epochs_that_are_counted_from_0(self):
        code = "print('val_loss=9')\nfor i in range(3): print(f'ep {i}\\nval_loss={i}.5')\n"
        events = self.events(code, 3, ("--epoch-regex", "ep (.*)", "--first-epoch", "0"))
        self.assertEqual(self.errors(events), [(1, 0.5), (2, 1.5), (3, 2.5)])

    def test_a_progress_bar_is_read_as_lines(self):
        events = self.events("sys.stdout.write('50%\\rval_loss=1\\r100%\\rval_loss=2')\n", 2)
        self.assertEqual(self.errors(events), [(1, 1), (2, 2)])

    def test_nan_and_inf(self):
        events = self.events("print('val_loss=nan')\nprint('val_loss=-inf')\n", 2)
        self.assertTrue(math.isnan(events[0]["error"]))
        self.assertEqual(events[-1]["done"]["error"], -math.inf)

    def test_maximising_gives_the_negative(self):
        events = self.events("print('acc 0.5')\nprint('acc 0.75')\n", 2, ("--maximize",),
                             error=r"acc (\S+)")
        self.assertEqual(self.errors(events), [(1, -0.5), (2, -0.75)])
        self.assertEqual(events[-1]["done"]["error"], -0.75)

    def test_metrics_are_the_last_ones_found(self):
        code = "for i in range(2): print(f'val_loss={i} a={i} b={i + 10}')\nprint('b=5')"
        events = self.events(code, 2, ("--metric", "first=a=([0-9]+)", "--metric", "b=b=([0-9]+)",
                                       "--metric", "never=(nothing)"))
        self.assertEqual(events[-1]["done"], {"error": 1, "metrics": {"first": 1, "b": 5}})

    def test_final_only(self):
        code = "for i in range(9): print(f'val_loss={i}')\n"
        events = self.events(code, 3, ("--final-only",))
        self.assertEqual(events, [{"done": {"error": 8, "metrics": {}}}])

    def test_more_errors_than_epochs_fail_for_good_and_end_the_script(self):
        code = "for i in range(3): print(f'val_loss={i}', flush=True)\ntime.sleep(1000)\n"
        self.assert_failed(self.events(code, 2), "'val_loss=2'", "epoch 3", "--epoch-regex")

    def test_an_epoch_that_does_not_rise_fails_for_good(self):
        code = "print('ep 2 val_loss=1')\nprint('ep 2 val_loss=1')\n"
        self.assert_failed(self.events(code, 3, ("--epoch-regex", "ep ([0-9]+)")), "epoch 2",
                           "once an epoch")

    def test_what_is_no_number_fails_for_good(self):
        self.assert_failed(self.events("print('val_loss=-e')", 1), "'-e'", "number")
        self.assert_failed(self.events("print('ep 1.5')", 1, ("--epoch-regex", "ep (.*)")),
                           "'1.5'", "whole number")

    def test_no_error_at_all_fails_for_good_and_shows_the_output(self):
        self.assert_failed(self.events("print('loss: 3')", 1), "matched no line", "loss: 3")

    def test_a_script_that_fails_may_be_tried_again_and_shows_its_last_lines(self):
        code = "for i in range(100): print(f'line {i}.')\nsys.exit(3)\n"
        events = self.events(code, 1)
        self.assert_failed(events, "exited with status 3", "line 99.", retryable=True)
        self.assertNotIn("line 60.", events[-1]["failed"]["reason"])
        self.assert_failed(self.events("os.kill(os.getpid(), 9)", 1), "SIGKILL", retryable=True)

    def test_a_script_that_cannot_be_started_may_be_elsewhere(self):
        child = self.start("--error-regex", "(x)", "--", "/nowhere/train")
        self.assert_failed(self.run_job(child, self.job(1)), "/nowhere/train", "No such file",
                           retryable=True)

    def test_out_of_memory_is_told(self):
        code = "print('RuntimeError: CUDA out of memory. Tried ...')\n"
        self.assert_failed(self.events(code + "sys.exit(1)", 1), retryable=True, out_of_memory=True)
        self.assertIn("done", self.events(code + "print('val_loss=1')", 1)[-1])  # It got over it.

    def test_the_next_job_is_served_after_a_failure(self):
        child = self.wrap(self.script("print(f'val_loss={1 / int(sys.argv[1])}')"), "{n}")
        events = self.run_job(child, self.job(1, config={"n": 0}))
        self.assert_failed(events, "ZeroDivisionError", retryable=True)
        events = self.run_job(child, self.job(1, config={"n": 2}))
        self.assertEqual(events[-1]["done"]["error"], 0.5)
        self.assertEqual(child.close(), 0)


class CheckpointsTest(WrapTest):

    WRITE = "open(sys.argv[1], 'w').write('state')\n"

    def test_a_file_of_the_scripts_own_is_copied(self):
        own = self.dir / "run-7.ckpt"
        child = self.wrap(self.script(self.WRITE + "print('val_loss=1')"), own,
                          flags=("--checkpoint", f"{self.dir}/run-{{trial_id}}.ckpt"))
        events = self.run_job(child, self.job(1))
        self.assertEqual(events[-2], {"checkpoint": {"epoch": 1}})
        self.assertEqual((self.dir / "out").read_text(), "state")
        self.assertEqual(own.read_text(), "state")

    def test_a_file_that_was_there_before_is_no_checkpoint_of_this_job(self):
        own = self.dir / "own"
        own.write_text("old")
        child = self.wrap(self.script("print('val_loss=1')"), flags=("--checkpoint", own))
        self.assertEqual([list(e)[0] for e in self.run_job(child, self.job(1))], ["epoch", "done"])

    def test_a_folder_is_none(self):
        own = self.dir / "own"
        child = self.wrap(self.script("os.mkdir(sys.argv[1])\nprint('val_loss=1')"), own,
                          flags=("--checkpoint", own))
        self.assert_failed(self.run_job(child, self.job(1)), "is a folder")

    def test_a_script_that_failed_leaves_none(self):
        child = self.wrap(self.script(self.WRITE + "sys.exit(1)"), "{checkpoint_out}")
        events = self.run_job(child, self.job(1))
        self.assert_failed(events, retryable=True)
        self.assertEqual(len(events), 1)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["script.py", "stderr"])

    def heeds_sigterm(self):
        """A script that trains on until SIGTERM, then writes a checkpoint and ends well."""
        return self.script(
            "left = []\nsignal.signal(signal.SIGTERM, lambda *_: left.append(1))\nepoch = 0\n"
            "while not left:\n"
            "    epoch += 1\n"
            "    print(f'val_loss={epoch}', flush=True)\n"
            "open(sys.argv[1], 'w').write(str(epoch))\n")

    def test_a_script_that_heeds_sigterm_leaves_a_checkpoint(self):
        child = self.wrap(self.heeds_sigterm(), "{checkpoint_out}")
        child.send(self.job(FOREVER))
        events = [child.next()]
        child.signal_group()
        stands_at = self.assert_leaves_with_a_checkpoint(child, events)
        self.assertEqual((self.dir / "out").read_text(), str(stands_at))
        self.assertEqual(child.wait(), 0)

    def test_a_script_that_fails_after_sigterm_is_not_blamed(self):
        child = self.wrap(self.script(
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
            "print('val_loss=1', flush=True)\n"
            "while True: signal.pause()\n"))
        child.send(self.job(FOREVER))
        child.next()
        child.signal_group()
        self.assertIsNone(child.next())
        self.assertEqual(child.wait(), 0, child.text())


if __name__ == "__main__":
    trainer_child.main()
