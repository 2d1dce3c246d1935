/* SPDX-License-Identifier: MIT */
/*
 * virtio.h - numbers and structures of the virtio specification, version 1.2,
 * with its own names; section numbers are of that document.
 */
#ifndef DRIVERS_VIRTIO_VIRTIO_H
#define DRIVERS_VIRTIO_VIRTIO_H

#include <assert.h>
#include <stdint.h>

/* 2.1: device status field */
#define VIRTIO_STATUS_ACKNOWLEDGE 1u
#define VIRTIO_STATUS_DRIVER	  2u
#define VIRTIO_STATUS_DRIVER_OK	  4u
#define VIRTIO_STATUS_FEATURES_OK 8u
#define VIRTIO_STATUS_NEEDS_RESET 64u
#define VIRTIO_STATUS_FAILED	  128u

/* 6: reserved feature bits */
#define VIRTIO_F_INDIRECT_DESC	 (UINT64_C(1) << 28)
#define VIRTIO_F_VERSION_1	 (UINT64_C(1) << 32)
#define VIRTIO_F_ACCESS_PLATFORM (UINT64_C(1) << 33)

/* 2.7: split virtqueues */
#define VIRTQ_DESC_F_NEXT      1u
#define VIRTQ_DESC_F_WRITE     2u
#define VIRTQ_DESC_F_INDIRECT  4u
#define VIRTQ_USED_F_NO_NOTIFY 1u

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
static_assert(sizeof(struct virtq_desc) == 16, "2.7.5");

struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};

struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[];
};
static_assert(sizeof(struct virtq_used_elem) == 8, "2.7.8");

/* 4.1.2: PCI identity */
#define VIRTIO_PCI_VENDOR	0x1af4u
#define VIRTIO_PCI_BLOCK	0x1042u
#define VIRTIO_PCI_BLOCK_LEGACY 0x1001u /* transitional: both interfaces */

/* 4.1.4: capabilities that tell where the structures lie */
#define VIRTIO_PCI_CAP_COMMON_CFG 1u
#define VIRTIO_PCI_CAP_NOTIFY_CFG 2u
#define VIRTIO_PCI_CAP_DEVICE_CFG 4u

struct virtio_pci_common_cfg { /* 4.1.4.3 */
	uint32_t device_feature_select;
	uint32_t device_feature;
	uint32_t driver_feature_select;
	uint32_t driver_feature;
	uint16_t config_msix_vector;
	uint16_t num_queues;
	uint8_t device_status;
	uint8_t config_generation;
	uint16_t queue_select;
	uint16_t queue_size;
	uint16_t queue_msix_vector;
	uint16_t queue_enable;
	uint16_t queue_notify_off;
	uint32_t queue_desc[2]; /* 64-bit addresses, written as halves */
	uint32_t queue_driver[2];
	uint32_t queue_device[2];
};
static_assert(sizeof(struct virtio_pci_common_cfg) == 56, "4.1.4.3");
#define VIRTIO_MSI_NO_VECTOR 0xffffu

/* 5.2: block device */
#define VIRTIO_BLK_F_SIZE_MAX (UINT64_C(1) << 1)
#define VIRTIO_BLK_F_SEG_MAX  (UINT64_C(1) << 2)
#define VIRTIO_BLK_F_RO	      (UINT64_C(1) << 5)
#define VIRTIO_BLK_F_BLK_SIZE (UINT64_C(1) << 6)
#define VIRTIO_BLK_F_FLUSH    (UINT64_C(1) << 9)
#define VIRTIO_BLK_F_TOPOLOGY (UINT64_C(1) << 10)
#define VIRTIO_BLK_F_DISCARD  (UINT64_C(1) << 13)

#define VIRTIO_BLK_T_IN	     0u
#define VIRTIO_BLK_T_OUT     1u
#define VIRTIO_BLK_T_FLUSH   4u
#define VIRTIO_BLK_T_DISCARD 11u

#define VIRTIO_BLK_S_OK	    0u
#define VIRTIO_BLK_S_UNSUPP 2u

struct virtio_blk_config { /* 5.2.4, as far as it is used */
	uint32_t capacity[2];
	uint32_t size_max;
	uint32_t seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint8_t physical_block_exp;
	uint8_t alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
};
static_assert(sizeof(struct virtio_blk_config) == 48, "5.2.4");

struct virtio_blk_req { /* 5.2.6: what precedes the data */
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};
static_assert(sizeof(struct virtio_blk_req) == 16, "5.2.6");

struct virtio_blk_discard_write_zeroes {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
};
static_assert(sizeof(struct virtio_blk_discard_write_zeroes) == 16, "5.2.6");

#endif
