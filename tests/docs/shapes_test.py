"""That the tests of the docs notice what they are for."""

import pathlib
import tempfile
import unittest

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
        found = self.blocks("# A\n\n<!-- test: exit=1 -->\n<!-- test: expect=a b -->\n\n```sh\nfalse\n```\n\n"
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
            path.write_text("# The `disk` is full\n\n## GPUs, and so on\n\n## A\n\n## A\n\n    # no heading\n")
            self.assertEqual(list(pages.anchors(path)),
                             ["the-disk-is-full", "gpus-and-so-on", "a", "a-1"])

    def test_commands_are_split_where_bash_says(self):
        self.assertEqual(shell.split_commands("a 'b\nc'\n# no\n\nd \\\n  e\ncat <<X\nx\nX"),
                         ["a 'b\nc'", "d \\\n  e", "cat <<X\nx\nX"])
        self.assertEqual(shell.split_console("$ a\nx\ny\n$ b <<X\n> 1\n> X\nz"),
                         [("a", "x\ny"), ("b <<X\n1\nX", "z")])


if __name__ == "__main__":
    unittest.main()
