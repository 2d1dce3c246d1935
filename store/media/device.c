/* SPDX-License-Identifier: MIT */
/*
 * device.c - synchronous requests, for format and mount only.
 *
 * Everything else is event-driven; before the store is mounted nothing else
 * goes on, so waiting for one request at a time is simplest.
 */
#include "store/store_priv.h"

struct transfer {
	struct block_request request;
	volatile bool done;
};

static void transfer_complete(struct block_request *request)
{
	struct transfer *transfer = request->owner;

	transfer->done = true;
}

static enum status transfer_run(struct block_device *device, struct transfer *transfer)
{
	transfer->request.complete = transfer_complete;
	transfer->request.owner = transfer;
	while (!device->operations->submit(device, &transfer->request))
		device->operations->poll(device, true);
	while (!transfer->done)
		device->operations->poll(device, true);
	return transfer->request.status;
}

enum status device_transfer(struct store *store, enum block_operation operation, sector_t sector,
			    uint32_t sectors, void *data)
{
	struct block_device *device = store->device;

	ASSERT(operation != BLOCK_FLUSH && sectors && data);
	while (sectors) {
		uint32_t count =
			sectors < device->request_sectors ? sectors : device->request_sectors;
		struct transfer transfer = {.request = {.operation = operation,
							.sector = sector,
							.sectors = count,
							.data = data}};

		if (transfer_run(device, &transfer) != STATUS_OK)
			return STATUS_IO;
		sector.n += count;
		sectors -= count;
		data = (uint8_t *)data + (uint64_t)count * SECTOR_SIZE;
	}
	return STATUS_OK;
}

enum status device_flush(struct store *store)
{
	struct transfer transfer = {.request = {.operation = BLOCK_FLUSH}};

	return transfer_run(store->device, &transfer) == STATUS_OK ? STATUS_OK : STATUS_IO;
}
