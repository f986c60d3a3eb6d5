// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The registry of exporters.
 *
 * A search goes from exporter to exporter with a reference and without a
 * lock, so an exporter that is slow in claim() delays only its caller.
 * Unregistration removes an exporter from the registry immediately, and frees
 * it after its last user.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "exporters/exporters.h"

static DEFINE_XARRAY_ALLOC1(exporters);
static DEFINE_MUTEX(register_lock);

/*
 * Return: the first exporter after *@id, in the order of registration, with a
 * reference; NULL at the end.
 */
struct ib_peer_exporter *ib_peer_exporter_next(unsigned long *id)
{
	struct ib_peer_exporter *exporter;

	rcu_read_lock();
	do {
		exporter = xa_find_after(&exporters, id, ULONG_MAX, XA_PRESENT);
	} while (exporter && !refcount_inc_not_zero(&exporter->users));
	rcu_read_unlock();
	return exporter;
}

void ib_peer_exporter_put(struct ib_peer_exporter *exporter)
{
	if (refcount_dec_and_test(&exporter->users))
		complete(&exporter->unused);
}

struct ib_peer_exporter *ib_peer_exporter_alloc(const char *name,
						const char *version,
					    const struct ib_peer_ops *ops,
					    void *priv)
{
	struct ib_peer_exporter *exporter;

	exporter = kzalloc(sizeof(*exporter), GFP_KERNEL);
	if (!exporter)
		return ERR_PTR(-ENOMEM);
	if (!name || !*name || strchr(name, '/') ||
	    strscpy(exporter->name, name, sizeof(exporter->name)) < 0 ||
	    strscpy(exporter->version, version ?: "",
		    sizeof(exporter->version)) < 0) {
		kfree(exporter);
		return ERR_PTR(-EINVAL);
	}
	exporter->ops = ops;
	exporter->flags = ops->flags;
	exporter->priv = priv;
	refcount_set(&exporter->users, 1);
	init_completion(&exporter->unused);
	INIT_LIST_HEAD(&exporter->regions);
	INIT_LIST_HEAD(&exporter->killed);
	return exporter;
}

/*
 * Publishes the exporter; on failure frees it. Its directory in sysfs makes
 * the name unique.
 */
int ib_peer_exporter_add(struct ib_peer_exporter *exporter)
{
	static u32 next;
	int ret;

	mutex_lock(&register_lock);
	ret = ib_peer_sysfs_add(exporter);
	if (ret)
		goto out;
	/* Cyclic allocation keeps the order of registration. */
	ret = xa_alloc_cyclic(&exporters, &exporter->id, exporter, xa_limit_32b,
			      &next, GFP_KERNEL);
	if (ret < 0)
		kobject_del(&exporter->kobj);
out:
	mutex_unlock(&register_lock);
	if (ret < 0)
		kobject_put(&exporter->kobj);
	return ret < 0 ? ret : 0;
}

struct ib_peer_exporter *ib_peer_register_exporter(const char *name,
						   const char *version,
					       const struct ib_peer_ops *ops,
					       void *priv)
{
	struct ib_peer_exporter *exporter;
	int ret;

	if (!ops || !(ops->claim || ops->claim_dmabuf) || !ops->fault ||
	    !ops->release || !ops->pin != !ops->unpin ||
	    (ops->dma_unmap && !ops->dma_map))
		return ERR_PTR(-EINVAL);

	exporter = ib_peer_exporter_alloc(name, version, ops, priv);
	if (IS_ERR(exporter))
		return exporter;
	ret = ib_peer_exporter_add(exporter);
	return ret ? ERR_PTR(ret) : exporter;
}
EXPORT_SYMBOL_GPL(ib_peer_register_exporter);

/* No new user finds the exporter. */
void ib_peer_exporter_unpublish(struct ib_peer_exporter *exporter)
{
	xa_erase(&exporters, exporter->id);
}

/* Waits for the users of an unpublished exporter, and frees it. May sleep. */
void ib_peer_exporter_free(struct ib_peer_exporter *exporter)
{
	ib_peer_exporter_put(exporter);
	wait_for_completion(&exporter->unused);
	/* Readers of the registry may still access ->users. */
	synchronize_rcu();
	kobject_del(&exporter->kobj);
	kobject_put(&exporter->kobj);
}

void *ib_peer_exporter_priv(const struct ib_peer_exporter *exporter)
{
	return exporter->priv;
}
EXPORT_SYMBOL_GPL(ib_peer_exporter_priv);
