"""What dockerfile.py reads, and what it refuses rather than pass over."""

import textwrap
import unittest

import dockerfile
from dockerfile import DockerfileError, Ignore, expand, parse


def only_stage(text):
    return parse(textwrap.dedent(text)).stages[-1].instructions


class ParseTest(unittest.TestCase):

    def test_lines_are_joined_and_comments_between_them_dropped(self):
        run, = only_stage("""\
            # first
            FROM base
            RUN one \\
                # between
                && two \\

                && three
            """)
        self.assertEqual((run.name, run.line, run.value), ("RUN", 3, "one && two && three"))

    def test_stages_have_names_and_numbers(self):
        file = parse("FROM a AS build\nRUN x\nFROM b\nUSER 1\n")
        self.assertEqual([(s.name, s.base) for s in file.stages], [("build", "a"), ("1", "b")])
        self.assertIs(file.stage("build"), file.stages[0])
        self.assertIsNone(file.stage("other"))

    def test_args_before_from_stand_in_from_only(self):
        text = "ARG BASE=debian\nARG TAG\nFROM ${BASE}:${TAG:-none}\n"
        self.assertEqual(parse(text).stages[0].base, "debian:none")
        self.assertEqual(parse(text, {"TAG": "12"}).stages[0].base, "debian:12")

    def test_flags_stand_before_the_value(self):
        copy, run = only_stage("""\
            FROM a
            COPY --from=build --chmod=0755 /out/ /usr/bin/
            RUN --mount=type=cache,target=/a,sharing=locked --mount=type=cache,target=/b x --y=z
            """)
        self.assertEqual(copy.flags, {"from": "build", "chmod": "0755"})
        self.assertEqual(copy.words(), ["/out/", "/usr/bin/"])
        self.assertEqual([mount["target"] for mount in run.flags["mount"]], ["/a", "/b"])
        self.assertEqual(run.value, "x --y=z")

    def test_the_json_form_is_a_list(self):
        command, entrypoint = only_stage('FROM a\nCMD ["a b", "$C"]\nENTRYPOINT exec d\n')
        self.assertEqual(command.exec_form(), ["a b", "$C"])
        self.assertIsNone(entrypoint.exec_form())

    def test_env_and_label_take_quoted_pairs(self):
        env, label = only_stage('FROM a\nENV A=1 B="2 3"\nLABEL x.y="z" \\\n  v=w\n')
        self.assertEqual(env.pairs(), [("A", "1"), ("B", "2 3")])
        self.assertEqual(label.pairs(), [("x.y", "z"), ("v", "w")])

    def test_what_is_not_understood_is_refused_with_its_line(self):
        for text, why in (
                ("", "no FROM"),
                ("RUN x\nFROM a", "line 1: RUN stands before"),
                ("FROM a\nADD x y", "line 2: ADD is not known"),
                ("FROM a\nONBUILD RUN x", "line 2: ONBUILD is not known"),
                ("FROM a\nRUN --network=none x", "line 2: RUN has no flag --network"),
                ("FROM a\nRUN --mount=type=secret,id=x y", "only type=cache"),
                ("FROM a\nRUN --mount=type=cache,target=/x,uid=1 y", "known are"),
                ("FROM a\nCOPY --link x y", "nothing that can be read"),
                ("FROM --platform=linux/amd64 a", "FROM has no flag --platform"),
                ("FROM a\nRUN <<EOF\nx\nEOF", "heredocs"),
                ("FROM a\nUSER", "nothing that can be read follows"),
                ("FROM a\nRUN x \\\n", "ends with a backslash"),
                ("FROM a b", "FROM IMAGE"),
                ("FROM a\nARG 1x=2", None),
                ("FROM a\nCMD ['x']", None),
                ("FROM a\nENV A 1", None)):
            with self.subTest(text=text):
                if why is not None:
                    with self.assertRaisesRegex(DockerfileError, why):
                        parse(text)
                    continue
                step = parse(text).stages[0].instructions[0]
                read = {"ARG": dockerfile.argument, "CMD": lambda s: s.exec_form(),
                        "ENV": lambda s: s.pairs()}[step.name]
                with self.assertRaisesRegex(DockerfileError, "line 2"):
                    read(step)


class ExpandTest(unittest.TestCase):

    def test_variables(self):
        for text, wanted in (("$A-${B}", "1-"), ("${B:-x y}", "x y"), ("${A:-x}", "1"),
                             ("\\$A", "\\$A"), ("none", "none")):
            self.assertEqual(expand(text, {"A": "1"}, 1), wanted)

    def test_other_forms_are_refused(self):
        for text in ("${A:+x}", "${A%x}", "$", "$(x)"):
            with self.subTest(text=text), self.assertRaises(DockerfileError):
                expand(text, {}, 1)


class IgnoreTest(unittest.TestCase):

    def test_the_last_pattern_that_matches_decides(self):
        ignore = Ignore("# all but\n*\n!src\n!docker/one\nsrc/*.o\n**/deep/x?\n")
        for path, ignored in (("README", True), ("src", False), ("src/a/b.cc", False),
                              ("src/a.o", True), ("src/sub/a.o", False), ("docker/one", False),
                              ("docker/two", True), ("src/deep/x1", True), ("src/deep/x12", False)):
            with self.subTest(path=path):
                self.assertEqual(ignore.ignores(path), ignored)


if __name__ == "__main__":
    unittest.main()
