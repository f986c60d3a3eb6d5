# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fish completion for peermem(1).

set -l commands doctor status mrs query vram top

complete -c peermem -f
complete -c peermem -n __fish_use_subcommand -l help -d 'print the usage'
complete -c peermem -n __fish_use_subcommand -l version -d 'print the version'
complete -c peermem -n __fish_use_subcommand -a doctor -d 'what an application would find here'
complete -c peermem -n __fish_use_subcommand -a status -d 'the exporters, and their counters'
complete -c peermem -n __fish_use_subcommand -a mrs -d 'the memory regions of processes'
complete -c peermem -n __fish_use_subcommand -a query -d 'whether a range can be registered'
complete -c peermem -n __fish_use_subcommand -a vram -d 'the buffer objects in VRAM'
complete -c peermem -n __fish_use_subcommand -a top -d 'event rates'
complete -c peermem -n "__fish_seen_subcommand_from $commands" -l json -d 'JSON'
complete -c peermem -n '__fish_seen_subcommand_from status' -l openmetrics -d 'OpenMetrics'
complete -c peermem -n '__fish_seen_subcommand_from query vram' -l device -x -d 'device'
complete -c peermem -n '__fish_seen_subcommand_from query' -l read -d 'for reading only'
complete -c peermem -n '__fish_seen_subcommand_from query' -l pinned -d 'exit status: pinned'
complete -c peermem -n '__fish_seen_subcommand_from query' -l on-demand -d 'exit status: on demand'
complete -c peermem -n '__fish_seen_subcommand_from mrs query' -a '(__fish_complete_pids)'
complete -c peermem -n '__fish_seen_subcommand_from vram' -a 'list move evict pressure'
complete -c peermem -n '__fish_seen_subcommand_from top' -l interval -x -d 'seconds'
complete -c peermem -n '__fish_seen_subcommand_from top' -l count -x -d 'number of tables'
