// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * /sys/kernel/mm/memory_peers/<client>/: where programs look whether a kind of
 * memory can be registered, and the counters of each client. Counters only
 * grow; what is registered now is the difference of two.
 *
 * The kernel does not export the kobject of /sys/kernel/mm; it is found by its
 * name beside the one that is exported.
 */
#include <linux/kernfs.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "ib_peer.h"

static struct kobject *peers_kobj;

struct counter_attr {
	struct attribute attr;
	enum ib_peer_counter counter;
};

#define COUNTER_ATTR(_name, _counter)					\
	static struct counter_attr _name##_attr = {			\
		.attr = { .name = __stringify(_name), .mode = 0444 },	\
		.counter = _counter,					\
	}

COUNTER_ATTR(num_alloc_mrs, IB_PEER_ALLOC_MRS);
COUNTER_ATTR(num_dealloc_mrs, IB_PEER_DEALLOC_MRS);
COUNTER_ATTR(num_reg_pages, IB_PEER_REG_PAGES);
COUNTER_ATTR(num_dereg_pages, IB_PEER_DEREG_PAGES);
COUNTER_ATTR(num_reg_bytes, IB_PEER_REG_BYTES);
COUNTER_ATTR(num_dereg_bytes, IB_PEER_DEREG_BYTES);
COUNTER_ATTR(num_free_callbacks, IB_PEER_FREE_CALLBACKS);
COUNTER_ATTR(num_faults, IB_PEER_FAULTS);
COUNTER_ATTR(num_invalidations, IB_PEER_INVALIDATIONS);

static struct attribute version_attr = { .name = "version", .mode = 0444 };

static struct attribute *client_attrs[] = {
	&version_attr,
	&num_alloc_mrs_attr.attr,
	&num_dealloc_mrs_attr.attr,
	&num_reg_pages_attr.attr,
	&num_dereg_pages_attr.attr,
	&num_reg_bytes_attr.attr,
	&num_dereg_bytes_attr.attr,
	&num_free_callbacks_attr.attr,
	&num_faults_attr.attr,
	&num_invalidations_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(client);

static ssize_t client_show(struct kobject *kobj, struct attribute *attr,
			   char *buf)
{
	struct ib_peer_client *client =
		container_of(kobj, struct ib_peer_client, kobj);
	enum ib_peer_counter counter;

	if (attr == &version_attr)
		return sysfs_emit(buf, "%s\n", client->version);
	counter = container_of(attr, struct counter_attr, attr)->counter;
	return sysfs_emit(buf, "%llu\n",
			  (u64)atomic64_read(&client->counters[counter]));
}

static const struct sysfs_ops client_sysfs_ops = {
	.show = client_show,
};

static void client_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct ib_peer_client, kobj));
}

static const struct kobj_type client_ktype = {
	.release = client_release,
	.sysfs_ops = &client_sysfs_ops,
	.default_groups = client_groups,
};

/* On failure the caller owes a kobject_put(). */
int ib_peer_sysfs_add(struct ib_peer_client *client)
{
	return kobject_init_and_add(&client->kobj, &client_ktype, peers_kobj,
				    "%s", client->name);
}

int ib_peer_sysfs_init(void)
{
	struct kernfs_node *mm = kernfs_find_and_get(kernel_kobj->sd, "mm");

	if (!mm)
		return -ENOENT;
	peers_kobj = kobject_create_and_add("memory_peers", mm->priv);
	kernfs_put(mm);
	return peers_kobj ? 0 : -ENOMEM;
}

void ib_peer_sysfs_exit(void)
{
	kobject_put(peers_kobj);
}
