#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Every link of the book that stays in the book leads to a file, and to an anchor in
# it, that exist. Links to the network are not followed.
#
# usage: check_links.py FOLDER

import html.parser
import os
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    """The anchors of a page, and the links it has."""

    def __init__(self, path):
        super().__init__()
        self.anchors = set()
        self.links = []
        with open(path, encoding='utf-8') as text:
            self.feed(text.read())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == 'id' or (tag == 'a' and name == 'name'):
                self.anchors.add(value)
            elif name in ('href', 'src', 'data') and value:
                self.links.append((value, self.getpos()[0]))


def pages(folder):
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith('.html'):
                yield os.path.join(path, name)


def broken(path, link, found):
    """Does the link of the page at the path lead nowhere?"""
    url = urllib.parse.urlsplit(link)
    if url.scheme or url.netloc:
        return False
    target = path
    if url.path:
        target = os.path.normpath(os.path.join(
            os.path.dirname(path), urllib.parse.unquote(url.path)))
    if not os.path.exists(target):
        return True
    anchor = urllib.parse.unquote(url.fragment)
    return bool(anchor) and target in found and \
        anchor not in found[target].anchors


def main():
    found = {path: Page(path) for path in pages(os.path.abspath(sys.argv[1]))}
    count = bad = 0
    for path, page in sorted(found.items()):
        for link, line in page.links:
            count += 1
            if broken(path, link, found):
                bad += 1
                print(f'{path}:{line}: {link} leads nowhere', file=sys.stderr)
    print(f'{len(found)} pages, {count} links, {bad} broken')
    sys.exit(bad > 0 or not found)


main()
