/* SPDX-License-Identifier: MIT */
/*
 * partition.h - how a store is found on a disk.
 *
 * The image is a GPT disk (UEFI specification, section 5.3) with three
 * partitions: BIOS boot (GRUB's core image), EFI system (GRUB, kernel,
 * grub.cfg) and the store, marked by the type GUID below,
 * 50524455-5245-4F53-8D3A-6B1F0C29E7A4.
 */
#ifndef DISK_PARTITION_H
#define DISK_PARTITION_H

#define DISK_PARTITION_TYPE_TEXT "50524455-5245-4F53-8D3A-6B1F0C29E7A4"
/* As it lies in a GPT entry: the first three groups little-endian. */
#define DISK_PARTITION_TYPE                                                                        \
	{                                                                                          \
		0x55, 0x44, 0x52, 0x50, 0x45, 0x52, 0x53, 0x4f, 0x8d, 0x3a, 0x6b, 0x1f, 0x0c,      \
			0x29, 0xe7, 0xa4                                                           \
	}

#endif
