"""That the tests of the docs notice what they are for."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import page_test
import pages
import shapes
import shell


class ShapesTest(unittest.TestCase):

    def assert_same(self, shown, seen):
        self.assertEqual(shapes.compare(shown, seen), [])

    def assert_differs(self, shown, seen):
        self.assertNotEqual(shapes.compare(shown, seen), [])

    def test_json_is_compared_by_its_shape(self):
        self.assert_same('{"id": "3", "error": 0.5}', '{"error": 0.25, "id": "44"}')
        self.assert_differs('{"id": "3"}', '{"id": 3}')
        self.assert_differs('{"id": "3"}', '{"id": "3", "more": 1}')
        self.assert_differs('{"id": "3", "more": 1}', '{"id": "3"}')
        self.assert_differs('{"id": "3"}', "ERROR: no such thing")
        self.assert_same('{"id": "3", "...": "..."}', '{"id": "3", "more": 1}')

    def test_enums_times_and_durations_are_part_of_a_shape(self):
        self.assert_same('{"state": "TRIAL_STATE_QUEUED"}', '{"state": "TRIAL_STATE_QUEUED"}')
        self.assert_differs('{"state": "TRIAL_STATE_QUEUED"}', '{"state": "TRIAL_STATE_FAILED"}')
        self.assert_same('{"at": "2026-11-26T05:26:16.82Z"}', '{"at": "2027-01-01T00:00:00Z"}')
        self.assert_differs('{"at": "2026-11-26T05:26:16.82Z"}', '{"at": "5s"}')
        self.assert_same('{"for": "3.5s"}', '{"for": "0.25s"}')

    def test_each_element_of_a_list_looks_like_one_that_is_shown(self):
        self.assert_same('[{"a": 1}]', '[{"a": 1}, {"a": 2}]')
        self.assert_same('[{"a": 1}, {"b": 1}]', '[{"b": 1}, {"a": 2}]')
        self.assert_differs('[{"a": 1}]', '[{"a": 1}, {"b": 2}]')
        self.assert_differs('[{"a": 1}]', "[]")
        self.assert_differs("[]", '[{"a": 1}]')

    def test_lines_come_in_their_order_with_any_numbers(self):
        self.assert_same("trial 3: error 0.5\n...\nbest  7", "noise\ntrial 12: error 1e-5\nbest 12")
        self.assert_differs("trial 3: failed", "trial 3: completed")
        self.assert_differs("a\nb", "b\na")
        self.assert_same("WRONG  no checkpoint; ...", "WRONG  no checkpoint; write one")


class PagesTest(unittest.TestCase):

    def blocks(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text(text, encoding="utf-8")
            return pages.blocks(path)

    def test_fenced_and_indented_blocks_are_found_with_their_directives(self):
        found = self.blocks(
            "# A\n\n<!-- test: exit=1 -->\n<!-- test: expect=a b -->\n\n```sh\nfalse\n```\n\n"
            "    halving list\n    halving workers\n\n    {\"a\": 1}\n\n    other\n")
        self.assertEqual([(b.kind, b.line) for b in found], [("sh", 7), ("sh", 10)])
        self.assertEqual((found[0].one("exit"), found[0].one("expect")), ("1", "a b"))
        self.assertEqual(found[0].text, "false")

    def test_a_directive_above_no_block_is_an_error(self):
        with self.assertRaises(ValueError):
            self.blocks("<!-- test: exit=1 -->\n\nSome words.\n")

    def test_headings_are_anchors(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text("# The `disk` is full\n\n## GPUs, and so on\n\n## A\n\n## A\n\n"
                            "    # no heading\n")
            self.assertEqual(list(pages.anchors(path)),
                             ["the-disk-is-full", "gpus-and-so-on", "a", "a-1"])

    def test_commands_are_split_where_bash_says(self):
        self.assertEqual(shell.split_commands("a 'b\nc'\n# no\n\nd \\\n  e\ncat <<X\nx\nX"),
                         ["a 'b\nc'", "d \\\n  e", "cat <<X\nx\nX"])
        self.assertEqual(shell.split_console("$ a\nx\ny\n$ b <<X\n> 1\n> X\nz"),
                         [("a", "x\ny"), ("b <<X\n1\nX", "z")])


class PageTest(unittest.TestCase):

    def run_page(self, text):
        """(what the test of such a page ends with, what it prints)."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text(text, encoding="utf-8")
            said = io.StringIO()
            with mock.patch.object(sys, "argv", ["page_test.py", str(path)]), \
                    contextlib.redirect_stdout(said):
                return page_test.main(), said.getvalue()

    def test_a_command_that_fails_fails_the_page_and_is_named(self):
        status, said = self.run_page("```sh\ntrue\nfalse || false\ntrue\n```\n")
        self.assertEqual(status, 1)
        self.assertIn("'false || false' ended with 1", said)
        self.assertEqual(self.run_page("    python3 -c 'exit(3)'\n")[0], 1)
        self.assertEqual(self.run_page("```sh\nfalse | true\n```\n")[0], 1)

    def test_a_command_that_should_fail_must(self):
        self.assertEqual(self.run_page("<!-- test: exit=3 -->\n\n```sh\n(exit 3)\n```\n")[0], 0)
        self.assertEqual(self.run_page("<!-- test: exit=3 -->\n\n```sh\ntrue\n```\n")[0], 1)

    def test_what_is_shown_must_come(self):
        self.assertEqual(self.run_page("```console\n$ echo a 17\na 3\n```\n")[0], 0)
        self.assertEqual(self.run_page("```console\n$ echo b\na\n```\n")[0], 1)
        self.assertEqual(self.run_page("<!-- test: expect=abc -->\n\n```sh\necho ab\n```\n")[0], 1)

    def test_variables_folders_and_files_stay_from_block_to_block(self):
        text = ("```sh\nx=5\nmkdir d\ncd d\n```\n\n"
                "```console\n$ echo $x $(basename $PWD)\n5 d\n```\n")
        self.assertEqual(self.run_page(text)[0], 0)

    def test_what_is_missing_here_is_skipped_by_name(self):
        status, said = self.run_page("<!-- test: needs=false -->\n\n```sh\nfalse\n```\n")
        self.assertEqual(status, 77)
        self.assertIn("needs `false`", said)
        status, said = self.run_page("<!-- test: skip it costs a lot -->\n\n```sh\nfalse\n```\n")
        self.assertEqual(status, 0)
        self.assertIn("1 skipped", said)

    def test_a_replacement_that_replaces_nothing_is_an_error(self):
        self.assertEqual(self.run_page("<!-- test: replace=a -> b -->\n\n```sh\ntrue\n```\n")[0], 1)

    def test_a_study_may_be_given_in_part(self):
        parameter = '{"name": "x", "float": {"min": 0, "max": 1}}'
        for text in (parameter, parameter + ",\n" + parameter):
            self.assertEqual(page_test.study_of(text)["study"]["parameters"][0]["name"], "x")
        self.assertEqual(page_test.study_of('"seed": 4')["study"]["seed"], 4)
        whole = {"study": {"name": "whole"}}
        self.assertEqual(page_test.study_of(json.dumps(whole)), whole)
        with self.assertRaises(ValueError):
            page_test.study_of('"seed": ')


if __name__ == "__main__":
    unittest.main()
