# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# fish completion for peermem-vm(1). The options are those of its help.

function __peermem_vm_options
    peermem-vm run --help | string match -rg '^  (--[a-z-]+)'
end

function __peermem_vm_after
    contains -- (commandline -opc)[-1] $argv
end

set -l command_word 'not __fish_seen_subcommand_from run list pack'
set -l in_run '__fish_seen_subcommand_from run'
complete -c peermem-vm -n $command_word -f -a 'run list pack --help'
complete -c peermem-vm -n "$in_run; and not __peermem_vm_after --rw --results --guest --link --module --vram --kernel --net --env" -f -a '(__peermem_vm_options)'
complete -c peermem-vm -n "$in_run; and __peermem_vm_after --kernel" -f -a '(peermem-vm list 2> /dev/null | string replace -r " .*" "")'
complete -c peermem-vm -n "$in_run; and __peermem_vm_after --net" -f -a user
