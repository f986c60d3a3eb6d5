#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Uses provider, library and command of packages that are extracted in ROOT, in a virtual
# machine.
#
# usage: use.sh ROOT

set -eu

root=$1
for provider in "$root"/usr/lib/*/peermem/librxe-rdmav*.so; do
	echo "driver ${provider%-rdmav*}" > /etc/libibverbs.d/rxe.driver
done
LD_DEBUG=files python3 - 2>&1 << 'END' | sed -n -e 's/^.*calling init: \(.*peermem\/librxe.*\)/provider: \1/p' -e '/^advise_mr/p'
import pyverbs.enums as e
from pyverbs.device import Context
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.wr import SGE

pd = PD(Context(name='rxe0'))
mr = MR(pd, 65536, e.IBV_ACCESS_LOCAL_WRITE | e.IBV_ACCESS_ON_DEMAND)
pd.advise_mr(e._IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, e._IBV_ADVISE_MR_FLAG_FLUSH,
             [SGE(mr.buf, 65536, mr.lkey)])
print('advise_mr: 0')
END
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu) "$root/usr/bin/peermem" status
