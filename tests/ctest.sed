# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Out of what "ctest --verbose" prints: the tests' own lines, a headline a
# group, and ctest's verdict on it.
/^ *Start +[0-9]+: / {
	s/^ *Start +[0-9]+: (.*)/\n=== \1/p
	d
}
s/^[0-9]+: (Test command: |Working Directory: |Environment variables: |Test timeout ).*//
t
s/^[0-9]+:  [A-Z_]+=.*//
t
/^[0-9]+: / {
	s/^[0-9]+: //p
	d
}
s/^ *[0-9]+\/[0-9]+ +Test +#[0-9]+: ([^ ]+) \.*( .*)/=== \1:\2/p
