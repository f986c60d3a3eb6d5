// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ioremap_prot() gets a pgprot_t. Before: the value of one. */
#include <linux/io.h>

void __iomem *probe(pgprot_t prot);

void __iomem *probe(pgprot_t prot)
{
	return ioremap_prot(0, PAGE_SIZE, prot);
}
