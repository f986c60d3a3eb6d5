# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The command line of QEMU: the devices of the machine, which tests rely on.

A plan has what one machine needs:
  options, guest, accel   of the call
  number                  of the machine, from 1
  work                    folder of FIFOs, sockets, disks and the initrd
  shared                  folder of sockets that all machines of a call see
  log                     file of the kernel log
  out                     folder of $PEERMEM_OUT
  capture                 file for the traffic of the network card, or None
"""

from collections import namedtuple

from . import accel as accelerator

Plan = namedtuple('Plan', 'options guest accel number work shared log out capture')

PARAMETERS = ('net.ifnames=0', 'panic=-1', 'oops=panic', 'mitigations=off',
              'init_on_alloc=0', 'audit=0', 'lsm=lockdown', 'watchdog_thresh=60',
              'rcupdate.rcu_cpu_stall_timeout=120', 'random.trust_cpu=on',
              'printk.devkmsg=on')


def quoted(path):
    """A path as a value of QEMU, in which a comma ends a value."""
    return path.replace(',', ',,')


def architecture(plan):
    """Program, machine, console, options and kernel parameters of the architecture."""
    iommu = plan.options.iommu
    if plan.guest.arch != 'amd64':
        machine = 'virt,gic-version=3' + (',iommu=smmuv3' if iommu else '')
        return 'qemu-system-aarch64', machine, 'ttyAMA0', [], []
    # Native PCI Express hot-plug: all kernel configurations have it.
    parts = ['-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off']
    if not iommu:
        return 'qemu-system-x86_64', 'q35', 'ttyS0', parts, []
    parts += ['-device', 'intel-iommu,intremap=on,caching-mode=on']
    return ('qemu-system-x86_64', 'q35,kernel-irqchip=split', 'ttyS0', parts,
            ['intel_iommu=on'])


def shared_folder(path, tag, writable):
    access = '' if writable else 'readonly=on,multidevs=remap,'
    return ['-virtfs', f'local,path={quoted(path)},mount_tag={tag},id={tag},{access}'
            'security_model=none']


def folders(plan):
    """The file systems of init."""
    guest = plan.guest
    args = shared_folder(guest.host_root or '/', 'root', False)
    if guest.host_root:
        args += shared_folder('/', 'host', False)
    if guest.over:
        args += shared_folder(guest.over, 'over', False)
    args += shared_folder(plan.out, 'out', True)
    for index, path in enumerate(plan.options.rw):
        args += shared_folder(path, f'rw{index}', True)
    return args


def port(name, backend):
    return ['-chardev', f'{backend},id={name}',
            '-device', f'virtserialport,chardev={name},name=peermem.{name}']


def ports(plan):
    """The ports of guest.sh. QEMU's monitor (QMP) is one, too: tests plug and unplug
    devices."""
    work = quoted(plan.work)
    args = ['-device', 'virtio-serial-pci']
    args += port('status', f'file,path={work}/status')
    args += port('input', f'socket,path={work}/input,server=off')
    if plan.options.tty:
        args += ['-echr', '0x1d', '-device', 'virtconsole,chardev=tty',
                 '-chardev', 'stdio,id=tty,mux=on,signal=off']
    else:
        args += port('out', f'file,path={work}/out')
        args += port('err', f'file,path={work}/err')
    args += ['-chardev', f'socket,id=qmp,path={work}/qmp,server=on,wait=off',
             '-mon', 'chardev=qmp,mode=control']
    return args + port('monitor', f'socket,path={work}/qmp')


def bays(switch):
    """The PCI buses "bay" and "bench", at the host bridge or below a switch. Below the
    switch, "bench" is behind one more port, because the ports of QEMU's switch have no
    access control services (ACS). Returns the options, and the bus of "bench"."""
    if not switch:
        return ['-device', 'pcie-root-port,id=bay,chassis=1'], 'pcie.0'
    devices = ('pcie-root-port,id=above,chassis=2',
               'x3130-upstream,id=switch,bus=above',
               'xio3130-downstream,id=bay,bus=switch,chassis=1',
               'xio3130-downstream,id=below,bus=switch,chassis=3,slot=1',
               'pcie-root-port,id=bench,bus=below,chassis=4')
    return [word for device in devices for word in ('-device', device)], 'bench'


def nvme(work, bay):
    """The NVMe controllers. tests/cmb relies on their order. The first one can be
    unplugged. The disk of the legacy one has an error at 7 MiB."""
    broken = ('file.driver=blkdebug,file.image.driver=file,'
              'file.inject-error.0.event=none,file.inject-error.0.sector=14336')
    return bay + [
        '-blockdev', f'raw,node-name=old,{broken},file.image.filename={work}/nvme-old',
        '-device', 'nvme,serial=old,drive=old,cmb_size_mb=2,legacy-cmb=on,'
                   'physical_block_size=4096,logical_block_size=4096',
        '-device', 'nvme,serial=diskless,cmb_size_mb=1',
        '-device', 'nvme,serial=bufferless']


def devices(plan):
    """The devices that tests use."""
    work = quoted(plan.work)
    vram = plan.options.vram
    # A file is slow: the host writes it back to its disk all the time.
    backend = (f'memory-backend-file,mem-path={quoted(vram)},share=on' if vram
               else 'memory-backend-ram')
    args = ['-object', f'{backend},id=vram,size=256M',
            '-device', 'ivshmem-plain,memdev=vram',
            '-blockdev', f'raw,node-name=disk,file.driver=file,file.filename={work}/nvme']
    buses, bench = bays(plan.options.switch)
    bay = ['-device', 'nvme,id=nvme,bus=bay,serial=peermem,drive=disk,cmb_size_mb=64',
           '-device', f'edu,bus={bench},dma_mask=0xffffffffffffffff']
    return args + buses + nvme(work, bay)


def pair(folder, here, there):
    """One end of a network of two. Packets are lost until the other end is there."""
    folder = quoted(folder)
    return (f'dgram,local.type=unix,remote.type=unix,local.path={folder}/{here},'
            f'remote.path={folder}/{there}')


def star(plan):
    """The network of --nodes: machine 1 has a hub, with a pair to each other machine."""
    if plan.number > 1:
        return ['-netdev', pair(plan.shared, f'{plan.number}-1', f'1-{plan.number}') +
                ',id=net0']
    args = ['-netdev', 'hubport,id=net0,hubid=1']
    for other in range(2, plan.options.nodes + 1):
        args += ['-netdev', pair(plan.shared, f'1-{other}', f'{other}-1') + f',id=to{other}',
                 '-netdev', f'hubport,id=port{other},hubid=1,netdev=to{other}']
    return args


def network(plan):
    """A network without peers, or one with the other machines, or that of the host. IPv6
    is off, because QEMU would announce a prefix: the guest's address in it sometimes took
    the GID index of the IPv4 address (rxe.sh)."""
    options = plan.options
    if options.nodes > 1:
        args = star(plan)
    elif options.link:
        folder, _, number = options.link.rpartition(':')
        args = ['-netdev', pair(folder, number, 3 - int(number)) + ',id=net0']
    elif options.net:
        args = ['-netdev', 'user,id=net0,net=10.0.0.0/24,host=10.0.0.254,dns=10.0.0.253,'
                'dhcpstart=10.0.0.100,ipv6=off']
    else:
        args = ['-netdev', 'user,id=net0,restrict=on,ipv6=off']
    if plan.capture:
        args += ['-object', f'filter-dump,id=capture,netdev=net0,file={quoted(plan.capture)}']
    mac = f'52:54:00:12:34:5{plan.number}'
    return args + ['-device', f'virtio-net-pci,netdev=net0,mac={mac}']


def command_line(plan):
    program, machine, console, parts, append = architecture(plan)
    accel, boot = accelerator.qemu_options(plan.accel, plan.guest.arch)
    append = [*PARAMETERS, *append]
    if plan.options.iommu:
        append.append('iommu.strict=1')     # unmapped memory is inaccessible immediately
    append += [f'console={console}', *boot]
    return [program, '-name', 'peermem', '-nodefaults', '-no-user-config', '-no-reboot',
            '-display', 'none', '-monitor', 'none', '-machine', machine,
            '-m', plan.options.mem, '-smp', str(plan.options.smp),
            '-kernel', f'{plan.guest.kernel}/vmlinuz', '-initrd', f'{plan.work}/initrd',
            *accel, *parts, '-serial', f'file:{plan.log}',
            *folders(plan), *ports(plan), *devices(plan), *network(plan),
            '-append', ' '.join(append)]
