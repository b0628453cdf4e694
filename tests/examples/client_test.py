"""examples/client.py, with stubs made as it says."""

import json
import os
import shutil
import subprocess
import sys

import harness
from harness import BIN, SOURCE, study

try:
    import grpc  # noqa: F401: the example needs it.
except ImportError as import_error:
    print(f"skipped: {import_error}; install python3-grpcio for the client in Python")
    sys.exit(77)
for program in ("protoc", "grpc_python_plugin"):
    if shutil.which(program) is None:
        print(f"skipped: {program} is not there; install protobuf-compiler-grpc for the stubs")
        sys.exit(77)

CLIENT = SOURCE / "examples" / "client.py"


class ClientTest(harness.EndToEndTest):

    def setUp(self):
        super().setUp()
        stubs = self.dir / "stubs"
        stubs.mkdir()
        subprocess.run(
            ["protoc", "-I", SOURCE / "proto",
             f"--python_out={stubs}", f"--grpc_python_out={stubs}",
             f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}",
             SOURCE / "proto" / "halving" / "v1" / "study.proto"], check=True)
        self.start_server()
        self.environment = {
            **os.environ, "PYTHONPATH": f"{stubs}:{CLIENT.parent}", "HALVING_SERVER": self.address,
            "PYTHONDONTWRITEBYTECODE": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}

    def python(self, *args):
        done = subprocess.run([sys.executable, *map(str, args)], env=self.environment,
                              capture_output=True, text=True, timeout=harness.DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def run_study(self, name):
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps(study(name)))
        self.start_worker("w1")
        return self.python(CLIENT, path)

    def test_it_creates_watches_and_reads_a_study(self):
        said = self.run_study("watched")
        self.assertIn("30 evaluations, 0 running, 100%", said)
        self.assertIn("watched has ended: max_evaluations 30 reached", said)
        best = self.status("watched")["best"]
        self.assertIn(f"trial {best['id']}: error {best['results'][-1]['error']:.4g} at 10 epochs",
                      said)
        # The same request again finds the study.
        self.assertIn("watched has ended", self.python(CLIENT, self.dir / "watched.json"))

    def test_the_frame_has_all_results(self):
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            self.skipTest(f"{error}; install python3-pandas")
        told = subprocess.run([BIN / "halving", "--help"], capture_output=True, text=True)
        if "  export " not in told.stdout:
            self.skipTest("this halving has no export")
        self.run_study("framed")
        said = json.loads(self.python("-c", (
            "import client, json; frame = client.trials_frame('framed');"
            "print(json.dumps({'rows': len(frame), 'columns': list(frame.columns),"
            " 'best': frame.sort_values(['epochs', 'error'], ascending=[False, True])"
            ".iloc[0].to_dict()}, default=float))")))
        self.assertEqual(said["rows"], 30)
        for column in ("trial", "round", "state", "epochs", "error", "learning_rate", "batch_size",
                       "answer"):
            self.assertIn(column, said["columns"])
        best = self.status("framed")["best"]
        self.assertEqual(said["best"]["trial"], int(best["id"]))
        self.assertEqual(said["best"]["learning_rate"], best["config"]["learning_rate"])
        self.assertEqual(said["best"]["state"], "COMPLETED")


if __name__ == "__main__":
    harness.main()
