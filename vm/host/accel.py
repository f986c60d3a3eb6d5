# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Selects the accelerator of the guest: KVM if it works, else emulation (TCG).

Even if /dev/kvm exists, KVM may be unable to boot a distribution kernel. So KVM is used
only after a short test boot, which prints nothing. The result is kept in the file
accel-BOOT of the kernel's folder, or of the user's cache if that is not writable; BOOT is
the boot id of the host.
"""

import glob
import os
import subprocess
import tempfile

from . import initrd

KVM = 'KVM'
EMULATION = 'emulation'
COUNTING = 'emulation, counting instructions'


def kvm_boots(kernel, folder):
    """Boots with KVM into the initrd. Does the guest report "ready"? Uses folder for its
    files."""
    port = f'{folder}/status'
    initrd.make_probe(kernel, f'{folder}/initrd')
    try:
        subprocess.run(
            ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-no-reboot',
             '-display', 'none', '-machine', 'q35', '-accel', 'kvm', '-cpu', 'host',
             '-m', '512M', '-kernel', f'{kernel}/vmlinuz', '-initrd', f'{folder}/initrd',
             '-append', 'panic=-1', '-device', 'virtio-serial-pci',
             '-chardev', f'file,id=s,path={port}',
             '-device', 'virtserialport,chardev=s,name=peermem.status'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=10, check=False)
    except subprocess.TimeoutExpired:
        pass
    try:
        with open(port, encoding='ascii') as file:
            return file.read() == 'ready\n'
    except FileNotFoundError:
        return False


def note_folder(guest):
    if os.access(guest.kernel, os.W_OK):
        return guest.kernel
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    folder = os.path.join(cache, 'peermem', 'vm', guest.version)
    os.makedirs(folder, exist_ok=True)
    return folder


def kvm_works(guest):
    if guest.arch != 'amd64' or not os.access('/dev/kvm', os.W_OK):
        return False
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
        folder = note_folder(guest)
        known = f'{folder}/accel-{file.read().strip()}'
    if not os.path.exists(known):
        with tempfile.TemporaryDirectory(prefix='peermem-vm.') as work:
            result = 'yes' if kvm_boots(guest.kernel, work) else 'no'
        for old in glob.glob(f'{glob.escape(folder)}/accel-*'):
            os.unlink(old)
        with open(known, 'w', encoding='ascii') as file:
            file.write(result)
    with open(known, encoding='ascii') as file:
        return file.read() == 'yes'


def choose(guest, icount):
    if icount:
        return COUNTING
    return KVM if kvm_works(guest) else EMULATION


def processor(arch, icount):
    """The processor to emulate. With erms, the kernel copies and clears single bytes,
    which is slow if time counts, not instructions. The architected algorithm of pointer
    authentication is slow, too."""
    if arch != 'amd64':
        return 'max,pauth-impdef=on'
    return 'max,la57=off' + ('' if icount else ',erms=off')


def qemu_options(accel, arch):
    """Options of QEMU, and kernel parameters for them.

    To patch code that other processors may execute, the kernel temporarily writes an int3
    instruction. With one thread per processor, QEMU's translator may keep that int3 for
    ever, and the guest crashes. The kernel patches scheduler code when it finds that its
    clock is stable or unstable. This happens once at boot (see Machine.lost_at_boot), and
    not again with tsc=reliable."""
    if accel == KVM:
        return ['-accel', 'kvm', '-cpu', 'host'], []
    if accel == EMULATION:
        return (['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', processor(arch, False)],
                ['tsc=reliable'] if arch == 'amd64' else [])
    return (['-accel', 'tcg,thread=single,tb-size=512', '-cpu', processor(arch, True),
             '-icount', 'shift=1,sleep=off', '-rtc', 'base=2025-01-01,clock=vm'], [])
