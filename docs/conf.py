# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The book: how Sphinx builds it. docs/build.sh runs it.
#
# The reference chapters come from the headers, by the kernel's own kernel-doc
# extension. PEERMEM_LINUX names the folder with that part of the kernel's source.

import os
import re
import sys

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

DOCS = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(DOCS)
LINUX = os.environ['PEERMEM_LINUX']
# From Linux 7 on, the extension finds its library by this variable.
os.environ['srctree'] = LINUX
sys.path.insert(0, os.path.join(LINUX, 'Documentation/sphinx'))


def project_version():
    """The version has one place: CMakeLists.txt."""
    with open(os.path.join(PROJECT, 'CMakeLists.txt'), encoding='utf-8') as f:
        return re.search(r'^project\(peermem VERSION ([\d.]+)', f.read(),
                         re.MULTILINE)[1]


project = 'peermem'
author = 'the peermem authors'
release = version = project_version()

extensions = ['myst_parser', 'sphinx.ext.graphviz', 'kerneldoc']
exclude_patterns = ['_*']
source_suffix = {'.md': 'markdown'}
primary_domain = 'c'
highlight_language = 'none'

myst_heading_anchors = 3

graphviz_output_format = 'svg'

kerneldoc_srctree = PROJECT
kerneldoc_bin = os.path.join(LINUX, 'scripts/kernel-doc')

c_id_attributes = ['__user', '__iomem', '____cacheline_aligned_in_smp']

# Of what the headers name, only the project's own must be in the book.
nitpick_ignore_regex = [
    ('c:.*', r'(?!(ib_peer_|ib_umem_peer_|peer_mem_|peer_bar_|peer_vram_|'
             r'peer_cmb_|peermem_)).*'),
]

# Structs that are opaque to the users of the headers.
nitpick_ignore = [('c:identifier', name) for name in (
    'ib_peer_exporter', 'ib_peer_fault', 'ib_peer_bar', 'ib_peer_bar_memory',
    'peermem_vram')]

html_theme = 'alabaster'
html_theme_options = {
    'description': 'Peer memory for RDMA, paged on demand',
    'page_width': '1200px',
    'sidebar_width': '260px',
    'font_size': '16px',
    'show_powered_by': False,
}
html_sidebars = {'**': ['about.html', 'navigation.html', 'searchbox.html']}
html_copy_source = False
html_show_sphinx = False


class SourceLinks(SphinxTransform):
    """A link to a file of the source becomes the file's name. A link to a file
    that does not exist is a warning, and so ends the build."""

    default_priority = 5

    def apply(self):
        here = os.path.dirname(self.env.doc2path(self.env.docname))
        kinds = (addnodes.pending_xref, addnodes.download_reference,
                 nodes.reference)
        for node in list(self.document.findall(
                lambda node: isinstance(node, kinds))):
            target = node.get('reftarget') or node.get('refuri') or ''
            # Newer versions of MyST name a page by its path without the ending.
            if target.startswith('/') and node.get('refdomain') == 'doc':
                target = os.path.relpath(target + '.md', here)
            path = os.path.normpath(os.path.join(here, target))
            if not target.startswith('../') or path.startswith(DOCS + os.sep):
                continue
            if not os.path.exists(path):
                logging.getLogger(__name__).warning(
                    'no such file: %s', target, location=node)
            name = os.path.relpath(path, PROJECT)
            node.replace_self(nodes.literal(name, name))


def is_no_duplicate(record):
    """In C, a struct and a function can have one name. In Sphinx they cannot, and it
    warns."""
    return not ('Duplicate C declaration' in str(record.msg) and
                'ib_umem_peer_cancel' in str(record.args) + str(record.msg))


def setup(app):
    app.add_transform(SourceLinks)
    logging.getLogger('sphinx.domains.c').logger.addFilter(is_no_duplicate)
