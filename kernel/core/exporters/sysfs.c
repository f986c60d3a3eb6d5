// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * /sys/kernel/mm/memory_peers/<exporter>/: programs look here whether a kind
 * of memory can be registered. Has the counters of each exporter. Counters
 * only increase; the number of present registrations is the difference of
 * two.
 *
 * The kernel does not export the kobject of /sys/kernel/mm, so it is found by
 * name beside one that is exported.
 */
#include <linux/kernfs.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "exporters/exporters.h"

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

static struct attribute *exporter_attrs[] = {
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
ATTRIBUTE_GROUPS(exporter);

static ssize_t exporter_show(struct kobject *kobj, struct attribute *attr,
			     char *buf)
{
	struct ib_peer_exporter *exporter =
		container_of(kobj, struct ib_peer_exporter, kobj);
	enum ib_peer_counter counter;

	if (attr == &version_attr)
		return sysfs_emit(buf, "%s\n", exporter->version);
	counter = container_of(attr, struct counter_attr, attr)->counter;
	return sysfs_emit(buf, "%llu\n",
			  (u64)atomic64_read(&exporter->counters[counter]));
}

static const struct sysfs_ops exporter_sysfs_ops = {
	.show = exporter_show,
};

static void exporter_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct ib_peer_exporter, kobj));
}

static const struct kobj_type exporter_ktype = {
	.release = exporter_release,
	.sysfs_ops = &exporter_sysfs_ops,
	.default_groups = exporter_groups,
};

/* On failure the caller calls kobject_put(). */
int ib_peer_sysfs_add(struct ib_peer_exporter *exporter)
{
	return kobject_init_and_add(&exporter->kobj, &exporter_ktype, peers_kobj,
				    "%s", exporter->name);
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
