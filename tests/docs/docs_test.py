"""What holds for the docs as a whole: links, the index, and that grpcurl.md has every call."""

import pathlib
import re
import subprocess
import unittest

import pages

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCS = SOURCE / "docs"


def tracked(*patterns):
    list_files = ["git", "-C", str(SOURCE), "ls-files", "-co", "--exclude-standard", *patterns]
    done = subprocess.run(list_files, capture_output=True, text=True)
    names = done.stdout.split() if done.returncode == 0 else []
    return [SOURCE / name for name in names] or sorted(SOURCE.glob("**/*.md"))


class DocsTest(unittest.TestCase):

    def test_links_lead_to_files_and_headings_that_exist(self):
        for page in tracked("*.md"):
            for link in pages.links(page):
                with self.subTest(page=page.name, link=link):
                    name, _, anchor = link.partition("#")
                    target = (page.parent / name).resolve() if name else page
                    self.assertTrue(target.exists(), f"{target} is not there")
                    if anchor and target.suffix == ".md":
                        self.assertIn(anchor, list(pages.anchors(target)))

    def test_the_index_has_every_page(self):
        linked = {link.partition("#")[0] for link in pages.links(DOCS / "README.md")}
        for page in DOCS.glob("*.md"):
            if page.name != "README.md":
                self.assertIn(page.name, linked)

    def test_grpcurl_md_calls_every_rpc(self):
        commands = "\n".join(block.text for block in pages.blocks(DOCS / "grpcurl.md"))
        found = 0
        for proto in sorted((SOURCE / "proto").glob("**/*.proto")):
            text = re.sub(r"//.*", "", proto.read_text(encoding="utf-8"))
            package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)[1]
            for service, body in re.findall(r"service (\w+) \{(.*?)\n\}", text, re.DOTALL):
                for method in re.findall(r"rpc (\w+)\s*\(", body):
                    found += 1
                    with self.subTest(method=method):
                        self.assertIn(f"{package}.{service}/{method}", commands)
        self.assertGreater(found, 20)

    def test_what_is_not_run_says_why(self):
        for page in [SOURCE / "README.md", *DOCS.glob("*.md")]:
            for block in pages.blocks(page):
                for why in block.all("skip"):
                    self.assertGreater(len(why.split()), 3, f"{page.name}:{block.line}: {why!r}")


if __name__ == "__main__":
    unittest.main()
