// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The registry of exporters.
 *
 * Looking for the owner of a range goes from client to client with a reference
 * and without a lock, so that a client that takes long in claim() delays nobody
 * but its own caller. A client that unregisters vanishes from the registry at
 * once, and is freed after its last user is gone.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "ib_peer.h"

static DEFINE_XARRAY_ALLOC1(clients);
static DEFINE_MUTEX(register_lock);

/*
 * The first client after *id, with a reference; NULL at the end. Clients come
 * in the order in which they registered.
 */
struct ib_peer_client *ib_peer_client_next(unsigned long *id)
{
	struct ib_peer_client *client;

	rcu_read_lock();
	do {
		client = xa_find_after(&clients, id, ULONG_MAX, XA_PRESENT);
	} while (client && !refcount_inc_not_zero(&client->users));
	rcu_read_unlock();
	return client;
}

void ib_peer_client_put(struct ib_peer_client *client)
{
	if (refcount_dec_and_test(&client->users))
		complete(&client->unused);
}

struct ib_peer_client *ib_peer_client_alloc(const char *name,
					    const char *version,
					    const struct ib_peer_ops *ops,
					    void *priv)
{
	struct ib_peer_client *client;

	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return ERR_PTR(-ENOMEM);
	if (!name || !*name || strchr(name, '/') ||
	    strscpy(client->name, name, sizeof(client->name)) < 0 ||
	    strscpy(client->version, version ?: "",
		    sizeof(client->version)) < 0) {
		kfree(client);
		return ERR_PTR(-EINVAL);
	}
	client->ops = ops;
	client->flags = ops->flags;
	client->priv = priv;
	refcount_set(&client->users, 1);
	init_completion(&client->unused);
	INIT_LIST_HEAD(&client->regions);
	INIT_LIST_HEAD(&client->killed);
	return client;
}

/*
 * Makes the client known. On failure it is gone. Names are unique because the
 * directory in sysfs is.
 */
int ib_peer_client_add(struct ib_peer_client *client)
{
	static u32 next;
	int ret;

	mutex_lock(&register_lock);
	ret = ib_peer_sysfs_add(client);
	if (ret)
		goto out;
	/* Cyclic, for the order; the wrap-around is four billion clients away. */
	ret = xa_alloc_cyclic(&clients, &client->id, client, xa_limit_32b,
			      &next, GFP_KERNEL);
	if (ret < 0)
		kobject_del(&client->kobj);
out:
	mutex_unlock(&register_lock);
	if (ret < 0)
		kobject_put(&client->kobj);
	return ret < 0 ? ret : 0;
}

struct ib_peer_client *ib_peer_register_client(const char *name,
					       const char *version,
					       const struct ib_peer_ops *ops,
					       void *priv)
{
	struct ib_peer_client *client;
	int ret;

	if (!ops || !(ops->claim || ops->claim_dmabuf) || !ops->fault ||
	    !ops->release || !ops->pin != !ops->unpin ||
	    (ops->dma_unmap && !ops->dma_map))
		return ERR_PTR(-EINVAL);

	client = ib_peer_client_alloc(name, version, ops, priv);
	if (IS_ERR(client))
		return client;
	ret = ib_peer_client_add(client);
	return ret ? ERR_PTR(ret) : client;
}
EXPORT_SYMBOL_GPL(ib_peer_register_client);

void ib_peer_unregister_client(struct ib_peer_client *client)
{
	xa_erase(&clients, client->id);
	/* Nobody finds it any more; now those who did. */
	ib_peer_client_detach_all(client);
	ib_peer_client_put(client);
	wait_for_completion(&client->unused);
	/* A reader of the registry may still look at ->users. */
	synchronize_rcu();
	kobject_del(&client->kobj);
	kobject_put(&client->kobj);
}
EXPORT_SYMBOL_GPL(ib_peer_unregister_client);

void *ib_peer_client_priv(const struct ib_peer_client *client)
{
	return client->priv;
}
EXPORT_SYMBOL_GPL(ib_peer_client_priv);
