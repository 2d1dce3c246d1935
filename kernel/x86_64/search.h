/* SPDX-License-Identifier: MIT */
/*
 * search.h - finds the disk that the system was started from.
 */
#ifndef KERNEL_X86_64_SEARCH_H
#define KERNEL_X86_64_SEARCH_H

#include "base/status.h"
#include "drivers/gpt.h"
#include "drivers/virtio/blk.h"
#include "kernel/arch.h"

/*
 * Looks at every virtio-blk disk and opens the one whose store is `wanted`; when
 * nothing is known of that, the only one there is, whose identity *wanted is then.
 * The disk is narrowed to *partition.  Waits without limit for that one; others that do
 * not answer are passed over, and left alone for good.  Null: *status, and printed why:
 *
 *	NO_DEVICE         no PCI bus, no disk, or not the wanted store
 *	LIMIT             several that could be meant
 *	of the search on the only disk otherwise
 */
struct virtio_blk *search_store(struct arch_store *wanted, platform_handler *interrupt,
				struct gpt_partition *partition, enum status *status);

#endif
