/* SPDX-License-Identifier: MIT */
/*
 * search.c - finds the disk that the system was started from.
 *
 * GRUB's menu hands over the superblock of the store that lies beside it.  The disks
 * come in the order of the PCI bus, which says nothing; every one is looked at, and
 * the one with that store is resumed.  Two that answer to it are copies of each
 * other, and which one is meant is not for a program to guess.
 */
#include "kernel/x86_64/search.h"
#include <stddef.h>
#include <string.h>
#include "disk/format.h"
#include "disk/partition.h"
#include "drivers/pc/pci.h"
#include "kernel/print.h"
#include "store/store.h"

#define IDENTITY_TEXT 37u

struct place {
	struct pci_function function;
	struct gpt_partition partition;
	struct arch_store store;
};

struct search {
	const struct arch_store *wanted;
	platform_handler *interrupt;
	struct virtio_blk *disk; /* open: that of the first place */
	struct place place[2];	 /* the first two stores that could be meant */
	unsigned places;	 /* how many could be meant */
	unsigned others, disks;	 /* stores that are not wanted; virtio-blk functions */
	enum status status;	 /* of the last disk without a store */
};

static uint8_t buffer[GPT_BUFFER] __attribute__((aligned(GPT_BUFFER)));
static_assert(GPT_BUFFER >= sizeof(struct disk_superblock), "a superblock fits");

/* As mkstore writes it: groups of 8, 4, 4, 4 and 12 digits. */
static const char *identity_text(const uint8_t identity[16], char text[IDENTITY_TEXT])
{
	size_t length = 0;

	for (unsigned i = 0; i < 16; i++)
		length += print_format(text + length, IDENTITY_TEXT - length,
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
				       identity[i]);
	return text;
}

/* ---- one disk ----------------------------------------------------------------------- */

static void search_say(const struct pci_function *f, const char *what, const char *more)
{
	kernel_print("perdure: disk at PCI %02x:%02x.%x%s%s", f->bus, f->device, f->function, what,
		     more);
}

/* The table is right and the disk is not: what it was, and what to do. */
static void search_too_short(const struct block_device *device, const struct gpt_partition *found)
{
	kernel_print("perdure: the disk has %lu sectors of 512 bytes, its partition table is for "
		     "%lu: make it %lu bytes large again, then nothing is lost; or save what is "
		     "left with 'mkstore salvage'",
		     (unsigned long)device->sectors, (unsigned long)found->disk_sectors,
		     (unsigned long)(found->disk_sectors * SECTOR_SIZE));
}

static bool search_partition(struct search *search, const struct pci_function *f,
			     struct virtio_blk *disk, struct gpt_partition *found)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	const char *why = NULL;
	enum status status = gpt_find(virtio_blk_device(disk), type, buffer, found, &why);

	if (why != NULL) {
		search_say(f, ": ", why);
		if (status == STATUS_NOT_FOUND)
			kernel_print("perdure: the type of a store partition "
				     "is " DISK_PARTITION_TYPE_TEXT);
	}
	if (status == STATUS_OK) {
		virtio_blk_narrow(disk, found->first, found->sectors);
		return true;
	}
	if (status == STATUS_TRUNCATED)
		search_too_short(virtio_blk_device(disk), found);
	search->status = status;
	return false;
}

static void search_read_done(struct block_request *request)
{
	*(bool *)request->owner = true;
}

static enum status search_read(struct block_device *device, uint64_t sector)
{
	bool done = false;
	struct block_request request = {
		.operation = BLOCK_READ,
		.sector = {sector},
		.sectors = sizeof(struct disk_superblock) / SECTOR_SIZE,
		.data = buffer,
		.complete = search_read_done,
		.owner = &done,
	};

	if (device->sectors < sector + request.sectors)
		return STATUS_TRUNCATED;
	while (!device->operations->submit(device, &request))
		device->operations->poll(device, true);
	while (!done)
		device->operations->poll(device, true);
	return request.status;
}

/* Of whichever superblock is whole.  When none is, mounting says so, if it comes to that. */
static void search_identify(struct virtio_blk *disk, struct arch_store *store)
{
	static const uint64_t sector[] = {DISK_SUPERBLOCK_SECTOR, DISK_SUPERBLOCK_COPY_SECTOR};

	store->known = false;
	for (unsigned i = 0; i < 2 && !store->known; i++)
		store->known =
			search_read(virtio_blk_device(disk), sector[i]) == STATUS_OK &&
			store_identify((struct disk_superblock *)(void *)buffer, store->identity);
}

static bool search_wanted(const struct search *search, const struct arch_store *store)
{
	return !search->wanted->known ||
	       (store->known &&
		memcmp(store->identity, search->wanted->identity, sizeof store->identity) == 0);
}

/* True: the disk stays open, it is the first that could be meant. */
static bool search_disk(struct search *search, const struct pci_function *f,
			struct virtio_blk *disk)
{
	struct place place = {.function = *f};

	if (!search_partition(search, f, disk, &place.partition))
		return false;
	search_identify(disk, &place.store);
	if (!search_wanted(search, &place.store)) {
		char text[IDENTITY_TEXT];
		search->others++;
		kernel_note("perdure: disk at PCI %02x:%02x.%x holds another store, %s", f->bus,
			    f->device, f->function, identity_text(place.store.identity, text));
		return false;
	}
	if (search->places < 2)
		search->place[search->places] = place;
	return search->places++ == 0;
}

static bool search_function(const struct pci_function *f, void *context)
{
	struct search *search = context;
	const char *why = NULL;
	struct virtio_blk *disk;

	if (!virtio_blk_matches(f))
		return true;
	search->disks++;
	disk = virtio_blk_open(f, search->interrupt, &why);
	if (disk == NULL)
		search_say(f, " not used: ", why);
	else if (search_disk(search, f, disk))
		search->disk = disk;
	else
		virtio_blk_close(disk);
	return true;
}

/* ---- the choice ----------------------------------------------------------------------- */

static void search_print_place(const struct place *place)
{
	const struct pci_function *f = &place->function;
	char text[IDENTITY_TEXT];

	kernel_print("perdure:   disk at PCI %02x:%02x.%x, partition at sector %lu, %lu sectors, "
		     "store %s",
		     f->bus, f->device, f->function, (unsigned long)place->partition.first,
		     (unsigned long)place->partition.sectors,
		     place->store.known ? identity_text(place->store.identity, text)
					: "without a readable superblock");
}

/* Says why none is opened. */
static enum status search_refuse(const struct search *search)
{
	char text[IDENTITY_TEXT];

	if (search->places > 1) {
		kernel_print(
			search->wanted->known
				? "perdure: %u disks hold the store that was started; two of "
				  "them:"
				: "perdure: %u stores are attached, and the boot menu does not "
				  "say which one was started; two of them:",
			search->places);
		search_print_place(&search->place[0]);
		search_print_place(&search->place[1]);
		kernel_print("perdure: none was touched: detach all but one, or give a copy an "
			     "identity of its own with 'mkstore identity'");
		return STATUS_LIMIT;
	}
	if (search->disks == 0) {
		kernel_print("perdure: no virtio-blk disk; the store lives on one "
			     "(QEMU: -drive if=virtio,format=raw,file=build/perdure.img)");
		return STATUS_NO_DEVICE;
	}
	if (search->wanted->known && search->others > 0) {
		kernel_print("perdure: the store that was started, %s, is on no virtio-blk disk; "
			     "%u with another store were not touched",
			     identity_text(search->wanted->identity, text), search->others);
		return STATUS_NO_DEVICE;
	}
	return search->status;
}

struct virtio_blk *search_store(struct arch_store *wanted, platform_handler *interrupt,
				struct gpt_partition *partition, enum status *status)
{
	struct search search = {
		.wanted = wanted, .interrupt = interrupt, .status = STATUS_NO_DEVICE};
	const struct place *place = &search.place[0];

	if (!pci_scan(search_function, &search)) {
		kernel_print(
			"perdure: no PCI bus, on which the disk would be (QEMU: -machine q35)");
		*status = STATUS_NO_DEVICE;
		return NULL;
	}
	if (search.places != 1) {
		*status = search_refuse(&search);
		return NULL;
	}
	kernel_note("perdure: store partition at sector %lu, %lu sectors, disk at PCI %02x:%02x.%x",
		    (unsigned long)place->partition.first, (unsigned long)place->partition.sectors,
		    place->function.bus, place->function.device, place->function.function);
	*partition = place->partition;
	if (place->store.known)
		*wanted = place->store;
	*status = STATUS_OK;
	return search.disk;
}
