"""examples/trainer_pytorch.py and examples/safetensors_file.py, in a PyTorch without a device."""

import json
import math
import os
import pathlib
import re
import resource
import struct
import sys

import trainer_child

DATASET = pathlib.Path("/usr/share/datasets/fashion-mnist")

try:
    import torch
except ImportError as import_error:
    print(f"skipped: {import_error}; install python3-torch for the PyTorch example")
    sys.exit(77)
if not DATASET.exists():
    print(f"skipped: {DATASET} is not there; install dataset-fashion-mnist")
    sys.exit(77)

sys.path.insert(0, str(trainer_child.EXAMPLES))
import safetensors_file


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class PytorchTest(trainer_child.TrainerTest):

    program = "trainer_pytorch.py"
    config = {"learning_rate": 0.1, "batch_size": 32, "momentum": 0.5}
    options = {"train_examples": 500, "validation_examples": 200}

    def test_a_whole_job_and_the_same_one_again(self):
        self.check_a_whole_job(2)

    def test_it_learns(self):
        options = {"train_examples": 2000, "validation_examples": 500}
        events = self.run_job(self.start(), self.job(3, options=options))
        self.assertLess(events[-1]["done"]["error"], 0.6)  # Chance is 0.9.
        self.assertLess(events[-1]["done"]["metrics"]["test_error"], 0.6)

    def test_resuming_gives_the_same_bits(self):
        self.check_resuming_gives_the_same_bits(2, 3)

    def test_resuming_gives_the_same_bits_without_momentum(self):
        self.config = {**self.config, "momentum": 0}
        self.check_resuming_gives_the_same_bits(1, 2)

    def test_sigterm_in_a_job_ends_the_epoch_with_a_checkpoint(self):
        self.check_sigterm_in_a_job(10**6, middle_of=1)

    def test_checkpoints_at_intervals(self):
        self.check_checkpoints_at_intervals()

    def test_a_checkpoint_that_cannot_be_used(self):
        class Evil:  # What torch.load() would run.
            def __reduce__(self):
                return os.mkdir, (str(ran),)

        ran = self.dir / "ran"
        torch.save(Evil(), self.dir / "pickle")
        self.check_unusable_checkpoints([b"", b"short", (self.dir / "pickle").read_bytes(),
                                         safetensors({"__metadata__": {"epoch": "2"}})])
        self.assertFalse(ran.exists())

    def test_a_checkpoint_of_another_momentum_cannot_be_used(self):
        child = self.start()
        self.run_job(child, self.job(1, name="none", config={**self.config, "momentum": 0}))
        events = self.run_job(child, self.job(2, from_epoch=1, checkpoint_in="none"))
        self.assert_failed(events, "momentum.0.bias is None", unusable_checkpoint=True)

    def test_a_training_that_diverges_says_so(self):
        events = self.run_job(self.start(), self.job(2, config={**self.config,
                                                                "learning_rate": 1e30}))
        self.assertTrue(math.isnan(events[-1]["done"]["error"]), events)
        self.assertEqual(events[-2], {"checkpoint": {"epoch": 2}})

    def test_what_is_wrong_with_a_config_or_an_option_is_said(self):
        child = self.start()
        for change, words in (({"learning_rate": 0}, "learning_rate is 0; expected a number above"),
                              ({"batch_size": 1.5}, "batch_size is 1.5"),
                              ({"momentum": 1}, "momentum is 1"), ({"lr": 1}, "['lr']")):
            job = self.job(1, config={**self.config, **change})
            self.assert_failed(self.run_job(child, job), words)
        job = self.job(1, options={"train_examples": 59_000, "validation_examples": 1001})
        self.assert_failed(self.run_job(child, job), "59000", "1001", "60000")

    def test_images_that_are_not_there_may_be_elsewhere(self):
        child = self.start()
        child.send(self.job(1, options={"dataset": str(self.dir)}))
        self.assertIsNone(child.next())
        self.assertRegex(child.text(), r"No such file.*; install the package dataset-fashion-mnist")

    def test_memory_that_runs_out_is_told_and_ends_the_program(self):
        child = self.start(env={"MALLOC_ARENA_MAX": "1"})
        self.run_job(child, self.job(1))
        # What it has now and a little more, which one batch of all images is not.
        status = pathlib.Path(f"/proc/{child.popen.pid}/status").read_text()
        limit = int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) * 1024 + (64 << 20)
        resource.prlimit(child.popen.pid, resource.RLIMIT_AS, (limit, limit))
        events = self.run_job(child, self.job(
            1, config={**self.config, "batch_size": 40_000},
            options={"train_examples": 40_000, "validation_examples": 200}))
        self.assert_failed(events, retryable=True, out_of_memory=True)
        self.assertEqual(child.wait(), 1)


class SafetensorsFileTest(trainer_child.TrainerTest):

    def tensors(self):
        return {"float": torch.tensor([[1.5, math.nan], [-math.inf, 0]]),
                "scalar": torch.tensor(7), "none": torch.empty(0, 3),
                "bool": torch.tensor([True, False, True]), "half": torch.ones(3).half(),
                "transposed": torch.arange(6).reshape(2, 3).t()}

    def assert_same(self, loaded, tensors):
        self.assertEqual(loaded.keys(), tensors.keys())
        for name, tensor in tensors.items():
            self.assertEqual((loaded[name].dtype, loaded[name].shape), (tensor.dtype, tensor.shape))
            self.assertTrue(torch.equal(loaded[name].nan_to_num(), tensor.nan_to_num()), name)

    def test_what_was_saved_is_loaded(self):
        path = str(self.dir / "file")
        safetensors_file.save(path, self.tensors(), {"epoch": "3"})
        loaded, metadata = safetensors_file.load(path)
        self.assert_same(loaded, self.tensors())
        self.assertEqual(metadata, {"epoch": "3"})

    def test_the_package_reads_our_files_and_we_read_its(self):
        try:
            import safetensors.torch
        except ImportError as error:
            self.skipTest(f"{error}; it is not in Debian, and nothing but this test wants it")
        path = str(self.dir / "file")
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors().items()}
        safetensors_file.save(path, tensors, {"a": "b"})
        self.assert_same(safetensors.torch.load_file(path), tensors)
        with safetensors.safe_open(path, framework="pt") as file:
            self.assertEqual(file.metadata(), {"a": "b"})
        safetensors.torch.save_file(tensors, path, {"a": "b"})
        loaded, metadata = safetensors_file.load(path)
        self.assert_same(loaded, tensors)
        self.assertEqual(metadata, {"a": "b"})

    def test_a_file_that_is_not_whole_is_refused(self):
        path = self.dir / "file"
        safetensors_file.save(str(path), {"a": torch.arange(100)}, {})
        whole = path.read_bytes()
        for size in (0, 7, 8, 20, len(whole) - 1):
            path.write_bytes(whole[:size])
            with self.assertRaises(ValueError, msg=size):
                safetensors_file.load(str(path))
        path.write_bytes(whole + b"x")
        with self.assertRaises(ValueError):
            safetensors_file.load(str(path))

    def test_a_header_that_says_nonsense_is_refused(self):
        def entry(**changes):
            return {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4], **changes}}

        path = self.dir / "file"
        for header in (b"", b"[]", b"{", b"[" * 100_000, b"\xff", {"a": 1}, {"a": {}},
                       {"__metadata__": 5}, {"__metadata__": None},
                       entry(dtype="U9"), entry(dtype=None), entry(shape=[5]),
                       entry(shape=[-1, -4]),
                       entry(shape=["4"]), entry(shape=4), entry(data_offsets=[1, 5]),
                       entry(data_offsets=[0, 3]), entry(data_offsets=[0, 1 << 60]),
                       entry(data_offsets=[4, 0]), entry(data_offsets=[0]), entry(data_offsets=7),
                       {**entry(), "b": entry()["a"]}):
            path.write_bytes(safetensors(header, b"data"))
            with self.assertRaises(ValueError, msg=str(header)[:80]):
                safetensors_file.load(str(path))


if __name__ == "__main__":
    trainer_child.main()
