/* SPDX-License-Identifier: MIT */
/*
 * power.c - off by ACPI (specification section 7.2: SLP_TYP and SLP_EN), reboot by
 * whatever works, the most orderly way first.
 */
#include "drivers/pc/power.h"
#include <stdint.h>
#include "drivers/pc/acpi.h"
#include "drivers/pc/port.h"
#include "drivers/platform.h"

#define SCI_ENABLE	 1u
#define SLEEP_ENABLE	 (1u << 13)
#define SLEEP_TYPE_SHIFT 10u
#define SLEEP_TYPE_MASK	 (7u << SLEEP_TYPE_SHIFT)
/* Polls of about 1 us: firmware gets up to 0.3 s to hand over or to react. */
#define PATIENCE 300000u

static void power_pause(void)
{
	for (uint32_t i = 0; i < PATIENCE; i++)
		port_read8(0x80); /* a port without effect, about 1 us on a real PC */
}

/* Without it the sleep registers still belong to the firmware. */
static void power_acpi_enable(const struct acpi_facts *acpi)
{
	if (port_read16(acpi->pm1a_control) & SCI_ENABLE || acpi->smi_command == 0 ||
	    acpi->acpi_enable == 0)
		return;
	port_write8(acpi->smi_command, acpi->acpi_enable);
	for (uint32_t i = 0; i < PATIENCE; i++)
		if (port_read16(acpi->pm1a_control) & SCI_ENABLE)
			return;
}

static void power_sleep(uint16_t port, uint8_t type)
{
	uint16_t control = port_read16(port);

	control = (uint16_t)((control & ~(SLEEP_TYPE_MASK | SLEEP_ENABLE)) |
			     type << SLEEP_TYPE_SHIFT);
	port_write16(port, control);
	port_write16(port, (uint16_t)(control | SLEEP_ENABLE));
}

void power_off(void)
{
	const struct acpi_facts *acpi = acpi_facts();

	if (!acpi->off_known || acpi->pm1a_control == 0)
		return;
	power_acpi_enable(acpi);
	power_sleep(acpi->pm1a_control, acpi->off_type_a);
	if (acpi->pm1b_control != 0)
		power_sleep(acpi->pm1b_control, acpi->off_type_b);
	power_pause();
}

static void power_reset_register(const struct acpi_facts *acpi)
{
	if (!acpi->reset_known || acpi->reset.address == 0)
		return;
	if (acpi->reset.space == 1) {
		port_write8((uint16_t)acpi->reset.address, acpi->reset_value);
	} else {
		volatile uint8_t *at = platform_map_device(acpi->reset.address, 1);
		if (at != 0)
			*at = acpi->reset_value;
	}
	power_pause();
}

void power_reboot(void)
{
	power_reset_register(acpi_facts());
	port_write8(0xcf9, 0x02); /* chip set: hard reset, then with the trigger */
	port_write8(0xcf9, 0x06);
	power_pause();
	port_write8(0x64, 0xfe); /* keyboard controller: pulse the reset line */
	power_pause();
}
