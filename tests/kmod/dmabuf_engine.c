// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See dmabuf_engine.h. */
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "dmabuf_engine.h"
#include "peer_test_dmabuf.h"

#define GARBAGE 0xee

/* A fence signals in finite time, even if the test has died. */
#define LIMIT_MS (100 * 1000)

/**
 * struct engine_fence - signals when its work has run
 * @base:   first member, for dma_fence_free()
 * @lock:   lock of @base
 * @engine: its engine
 * @node:   entry in engine->fences, which holds a reference
 * @work:   completes the fence
 */
struct engine_fence {
	struct dma_fence base;
	spinlock_t lock; /* of @base */
	struct engine *engine;
	struct list_head node;
	struct delayed_work work;
};

static struct workqueue_struct *engine_wq;

static const char *fence_name(struct dma_fence *fence)
{
	return "peer_test_dmabuf";
}

/*
 * A fence holds a reference to the module, which contains its functions.
 * Unloading waits for an RCU grace period after the last reference, and so for
 * this function.
 */
static void fence_release(struct dma_fence *fence)
{
	rcu_read_lock();
	dma_fence_free(fence);
	module_put(THIS_MODULE);
	rcu_read_unlock();
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
	.release = fence_release,
};

/* Called with engine->lock held. */
static void engine_complete_copy(struct engine *engine)
{
	if (memchr_inv(engine->to, GARBAGE, engine->size))
		engine->early++;
	memcpy(engine->to, engine->staged, engine->size);
	engine->holds = false;
	engine->copy = NULL;
}

/* The caller has cancelled the work, or is the work. */
static void fence_complete(struct engine_fence *fence)
{
	bool cookie = dma_fence_begin_signalling();
	struct engine *engine = fence->engine;

	mutex_lock(&engine->lock);
	if (engine->copy == fence)
		engine_complete_copy(engine);
	list_del(&fence->node);
	mutex_unlock(&engine->lock);
	dma_fence_signal(&fence->base);
	dma_fence_end_signalling(cookie);
	dma_fence_put(&fence->base);
}

static void fence_work(struct work_struct *work)
{
	fence_complete(container_of(to_delayed_work(work), struct engine_fence,
				    work));
}

static struct engine_fence *fence_create(struct engine *engine,
					 struct dma_resv *resv,
					 enum dma_resv_usage usage)
{
	struct engine_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	if (dma_resv_reserve_fences(resv, 1)) {
		kfree(fence);
		return NULL;
	}
	__module_get(THIS_MODULE);
	spin_lock_init(&fence->lock);
	fence->engine = engine;
	INIT_DELAYED_WORK(&fence->work, fence_work);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_add_fence(resv, &fence->base, usage);
	return fence;
}

/*
 * Called with engine->lock held, so that a fence in the list has queued work.
 */
static void fence_queue(struct engine *engine, struct engine_fence *fence,
			u32 ms)
{
	lockdep_assert_held(&engine->lock);

	list_add_tail(&fence->node, &engine->fences);
	queue_delayed_work(engine_wq, &fence->work,
			   msecs_to_jiffies(min_t(u32, ms, LIMIT_MS)));
}

int engine_init(struct engine *engine, size_t size, bool staged)
{
	engine->size = size;
	engine->ms = 20;
	mutex_init(&engine->lock);
	INIT_LIST_HEAD(&engine->fences);
	if (staged)
		engine->staged = vzalloc(size);
	return staged && !engine->staged ? -ENOMEM : 0;
}

void engine_fini(struct engine *engine)
{
	engine_finish(engine);
	/*
	 * A work item that has just completed its fence still unlocks the
	 * engine.
	 */
	flush_workqueue(engine_wq);
	vfree(engine->staged);
	mutex_destroy(&engine->lock);
}

void engine_take(struct engine *engine, const void *from)
{
	mutex_lock(&engine->lock);
	if (!engine->holds)
		memcpy(engine->staged, from, engine->size);
	engine->holds = true;
	engine->copy = NULL;
	mutex_unlock(&engine->lock);
}

void engine_drop(struct engine *engine)
{
	mutex_lock(&engine->lock);
	engine->holds = false;
	engine->copy = NULL;
	mutex_unlock(&engine->lock);
}

bool engine_holds(struct engine *engine)
{
	bool holds;

	mutex_lock(&engine->lock);
	holds = engine->holds;
	mutex_unlock(&engine->lock);
	return holds;
}

/* Copies are started and stopped only with the reservation held. */
static bool engine_is_due(struct engine *engine)
{
	bool due;

	mutex_lock(&engine->lock);
	due = engine->holds && !engine->copy;
	mutex_unlock(&engine->lock);
	return due;
}

int engine_start(struct engine *engine, struct dma_resv *resv, void *to)
{
	struct engine_fence *fence;

	dma_resv_assert_held(resv);

	if (!engine_is_due(engine))
		return 0;
	fence = fence_create(engine, resv, DMA_RESV_USAGE_KERNEL);
	if (!fence)
		return -ENOMEM;
	memset(to, GARBAGE, engine->size);
	mutex_lock(&engine->lock);
	engine->copy = fence;
	engine->to = to;
	engine->copies++;
	fence_queue(engine, fence, engine->ms);
	mutex_unlock(&engine->lock);
	return 0;
}

void engine_rw(struct engine *engine, void *place, size_t offset, void *bounce,
	       size_t length, bool write)
{
	void *at;

	mutex_lock(&engine->lock);
	at = (engine->holds ? engine->staged : place) + offset;
	if (write)
		memcpy(at, bounce, length);
	else
		memcpy(bounce, at, length);
	mutex_unlock(&engine->lock);
}

int engine_add_fence(struct engine *engine, struct dma_resv *resv,
		     enum dma_resv_usage usage)
{
	struct engine_fence *fence;

	dma_resv_assert_held(resv);

	fence = fence_create(engine, resv, usage);
	if (!fence)
		return -ENOMEM;
	mutex_lock(&engine->lock);
	fence_queue(engine, fence, LIMIT_MS);
	mutex_unlock(&engine->lock);
	return 0;
}

/* Return: the first fence with a reference, or NULL if none is left. */
static struct engine_fence *engine_first(struct engine *engine)
{
	struct engine_fence *fence;

	mutex_lock(&engine->lock);
	fence = list_first_entry_or_null(&engine->fences, struct engine_fence,
					 node);
	if (fence)
		dma_fence_get(&fence->base);
	mutex_unlock(&engine->lock);
	return fence;
}

void engine_finish(struct engine *engine)
{
	struct engine_fence *fence;

	while ((fence = engine_first(engine))) {
		if (cancel_delayed_work_sync(&fence->work))
			fence_complete(fence);
		dma_fence_put(&fence->base);
	}
}

unsigned int engine_pending(struct engine *engine)
{
	unsigned int pending;

	mutex_lock(&engine->lock);
	pending = list_count_nodes(&engine->fences);
	mutex_unlock(&engine->lock);
	return pending;
}

int engine_module_init(void)
{
	engine_wq = alloc_workqueue("peer_test_dmabuf",
				    WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return engine_wq ? 0 : -ENOMEM;
}

void engine_module_exit(void)
{
	destroy_workqueue(engine_wq);
}
