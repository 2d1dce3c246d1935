/* SPDX-License-Identifier: MIT */
/*
 * search.c - finds the disk that the system was started from.
 *
 * GRUB's menu hands over the superblock of the store that lies beside it.  The disks
 * come in the order of the PCI bus, which says nothing; every one is looked at, and
 * the one with that store is resumed.  Two that answer to it are copies of each
 * other, and which one is meant is not for a program to guess.
 *
 * No other disk holds up the boot: one that stands still, or cannot be read, is passed
 * over after a while, and asked again, round by round, only as long as the wanted store
 * has not been found.  One that stands still keeps what it was asked, and the memory for
 * the answer, for good: a reset would wait for it, too.
 */
#include "kernel/x86_64/search.h"
#include "base/assert.h"
#include "base/text.h"
#include <stddef.h>
#include <string.h>
#include "disk/format.h"
#include "disk/partition.h"
#include "drivers/pc/pci.h"
#include "kernel/limits.h"
#include "kernel/print.h"
#include "store/store.h"

#define IDENTITY_TEXT 37u
#define PATIENCE_NS   (4 * UINT64_C(1000000000)) /* for a disk in each round */

/* A disk that is open: the store's, the one that is looked at, those that stand still. */
struct look {
	struct pci_function function;
	struct virtio_blk *disk; /* null: free */
	struct gpt_access access;
};

struct place {
	struct pci_function function;
	struct gpt_partition partition;
	struct arch_store store;
};

struct search {
	const struct arch_store *wanted;
	platform_handler *interrupt;
	struct virtio_blk *disk;	/* open: that of the first place */
	struct place place[2];		/* the first two stores that could be meant */
	unsigned places;		/* how many could be meant */
	unsigned others, disks;		/* stores that are not wanted; virtio-blk functions */
	unsigned silent, failing;	/* in this round */
	enum status status;		/* of the last disk without a store */
	uint8_t judged[(1u << 16) / 8]; /* a bit for each place on the bus: no more to learn */
};

static struct look looks[VIRTIO_BLK_DISKS];
static uint8_t buffers[VIRTIO_BLK_DISKS][GPT_BUFFER] __attribute__((aligned(GPT_BUFFER)));
static uint64_t patience_end_ns;
static_assert(sizeof(((struct search *)0)->judged) * 8 > (0xff << 8 | 31 << 3 | 7),
	      "a bit for each place on the bus");
static_assert(GPT_BUFFER >= sizeof(struct disk_superblock), "a superblock fits");

/* As mkstore writes it: groups of 8, 4, 4, 4 and 12 digits. */
static const char *identity_text(const uint8_t identity[16], char text[IDENTITY_TEXT])
{
	size_t length = 0;

	for (unsigned i = 0; i < 16; i++)
		length += text_format(text + length, IDENTITY_TEXT - length,
				      i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x",
				      identity[i]);
	ASSERT(length == IDENTITY_TEXT - 1);
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

static bool search_patience(void)
{
	if (platform_time_ns() >= patience_end_ns)
		return false;
	platform_idle();
	return true;
}

static enum status search_partition(struct look *look, struct gpt_partition *found)
{
	static const uint8_t type[16] = DISK_PARTITION_TYPE;
	const char *why = NULL;
	enum status status = gpt_find(&look->access, type, found, &why);

	if (why != NULL)
		search_say(&look->function, ": ", why);
	if (status == STATUS_NOT_FOUND)
		kernel_print("perdure: the type of a store partition "
			     "is " DISK_PARTITION_TYPE_TEXT);
	if (status == STATUS_TRUNCATED)
		search_too_short(look->access.disk, found);
	return status;
}

/* Of whichever superblock is whole.  When none is, mounting says so, if it comes to that. */
static enum status search_identify(struct look *look, const struct gpt_partition *partition,
				   struct arch_store *store)
{
	static const uint64_t sector[] = {DISK_SUPERBLOCK_SECTOR, DISK_SUPERBLOCK_COPY_SECTOR};
	const uint64_t sectors = sizeof(struct disk_superblock) / SECTOR_SIZE;
	enum status worst = STATUS_OK;

	store->known = false;
	for (unsigned i = 0; i < 2 && !store->known; i++) {
		enum status status = STATUS_TRUNCATED;

		if (partition->sectors >= sector[i] + sectors)
			status = gpt_read(&look->access, partition->first + sector[i], sectors);
		if (status == STATUS_OK)
			store->known = store_identify((void *)look->access.buffer, store->identity);
		else if (status != STATUS_TRUNCATED)
			worst = status;
	}
	if (store->known || worst == STATUS_OK)
		return STATUS_OK;
	search_say(&look->function, ": ",
		   worst == STATUS_TIMEOUT ? "it does not answer" : "it cannot be read");
	return worst;
}

static bool search_wanted(const struct search *search, const struct arch_store *store)
{
	return !search->wanted->known ||
	       (store->known &&
		memcmp(store->identity, search->wanted->identity, sizeof store->identity) == 0);
}

/* OK: it stays open, it is the first that could be meant.  IO, TIMEOUT: more may be learnt
 * another time. */
static enum status search_disk(struct search *search, struct look *look)
{
	struct place place = {.function = look->function};
	const struct pci_function *f = &look->function;
	enum status status = search_partition(look, &place.partition);

	if (status == STATUS_OK)
		status = search_identify(look, &place.partition, &place.store);
	if (status != STATUS_OK)
		return status;
	if (!search_wanted(search, &place.store)) {
		char text[IDENTITY_TEXT];
		search->others++;
		kernel_note("perdure: disk at PCI %02x:%02x.%x holds another store, %s", f->bus,
			    f->device, f->function, identity_text(place.store.identity, text));
		return STATUS_NO_DEVICE;
	}
	if (search->places < 2)
		search->place[search->places] = place;
	if (search->places++ > 0)
		return STATUS_LIMIT;
	virtio_blk_narrow(look->disk, place.partition.first, place.partition.sectors);
	search->disk = look->disk;
	return STATUS_OK;
}

/* ---- all of them ------------------------------------------------------------------------ */

static uint32_t search_number(const struct pci_function *f)
{
	return (uint32_t)f->bus << 8 | (uint32_t)f->device << 3 | f->function;
}

/* The look at this disk that has not ended, or a new one.  Null: *why, or why is null, for
 * all places are taken by disks that stand still. */
static struct look *search_look(const struct search *search, const struct pci_function *f,
				const char **why)
{
	struct look *look = NULL;

	*why = NULL;
	for (unsigned i = 0; i < VIRTIO_BLK_DISKS; i++) {
		if (looks[i].disk != NULL && search_number(&looks[i].function) == search_number(f))
			return &looks[i];
		if (looks[i].disk == NULL && look == NULL)
			look = &looks[i];
	}
	if (look == NULL)
		return NULL;
	*look = (struct look){.function = *f, .disk = virtio_blk_open(f, search->interrupt, why)};
	if (look->disk == NULL)
		return NULL;
	look->access = (struct gpt_access){.disk = virtio_blk_device(look->disk),
					   .buffer = buffers[look - looks],
					   .patience = search_patience};
	return look;
}

static bool search_function(const struct pci_function *f, void *context)
{
	struct search *search = context;
	uint32_t number = search_number(f);
	enum status status = STATUS_NO_DEVICE;
	const char *why;
	struct look *look;

	if (!virtio_blk_matches(f) || search->judged[number / 8] >> number % 8 & 1)
		return true;
	search->disks++;
	patience_end_ns = platform_time_ns() + PATIENCE_NS;
	look = search_look(search, f, &why);
	if (look != NULL)
		status = search_disk(search, look);
	else if (why != NULL)
		search_say(f, " not used: ", why);
	else
		status = STATUS_TIMEOUT;
	search->silent += status == STATUS_TIMEOUT;
	search->failing += status == STATUS_IO;
	if (status != STATUS_OK)
		search->status = status;
	if (status != STATUS_TIMEOUT && status != STATUS_IO)
		search->judged[number / 8] |= (uint8_t)(1u << number % 8);
	if (look != NULL && status != STATUS_OK && status != STATUS_TIMEOUT) {
		virtio_blk_close(look->disk);
		look->disk = NULL;
	}
	return true;
}

/* Is there no more to be learnt, or no more that is needed? */
static bool search_over(const struct search *search)
{
	if (search->places > 0)
		return search->places > 1 || search->wanted->known || search->silent == 0;
	return search->silent + search->failing == 0;
}

/* Lets time pass, longer each time.  Disks that stand still have been waited for. */
static void search_pause(const struct search *search)
{
	static uint64_t pause_ns = KERNEL_RETRY_NS;
	uint64_t start = platform_time_ns(), wait = search->failing ? pause_ns : 0;

	kernel_print_loud("perdure: the store that was started is not found yet: %u disks do not "
			  "answer, %u cannot be read; they are asked again",
			  search->silent, search->failing);
	while (platform_time_ns() - start < wait)
		platform_idle();
	if (wait && pause_ns < KERNEL_RETRY_MAX_NS / 2)
		pause_ns *= 2;
}

/* False: there is no PCI bus. */
static bool search_all(struct search *search)
{
	while (pci_scan(search_function, search)) {
		if (search_over(search))
			return true;
		search_pause(search);
		search->silent = search->failing = 0;
	}
	return false;
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
	static struct search search; /* too large for the stack */
	const struct place *place = &search.place[0];

	search = (struct search){
		.wanted = wanted, .interrupt = interrupt, .status = STATUS_NO_DEVICE};
	if (!search_all(&search)) {
		kernel_print(
			"perdure: no PCI bus, on which the disk would be (QEMU: -machine q35)");
		*status = STATUS_NO_DEVICE;
		return NULL;
	}
	if (search.places != 1) {
		*status = search_refuse(&search);
		return NULL;
	}
	if (search.silent + search.failing > 0)
		kernel_print_loud("perdure: %u disks did not answer and %u could not be read: what "
				  "is on them is not known, and left alone",
				  search.silent, search.failing);
	kernel_note("perdure: store partition at sector %lu, %lu sectors, disk at PCI %02x:%02x.%x",
		    (unsigned long)place->partition.first, (unsigned long)place->partition.sectors,
		    place->function.bus, place->function.device, place->function.function);
	ASSERT(search.disk != NULL);
	*partition = place->partition;
	if (place->store.known)
		*wanted = place->store;
	*status = STATUS_OK;
	return search.disk;
}
