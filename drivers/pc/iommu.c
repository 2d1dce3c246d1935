/* SPDX-License-Identifier: MIT */
/*
 * iommu.c - looks at IOMMUs, and leaves them as they are: off, after every firmware that
 * does not protect itself from devices.
 */
#include "drivers/pc/iommu.h"
#include <stddef.h>
#include <stdint.h>
#include "drivers/pc/acpi.h"
#include "drivers/platform.h"

#define REGISTERS 4096u

/* Intel VT-d specification 4.0, section 11.4.4: global status, translation enable. */
#define INTEL_STATUS  (0x1c / 4)
#define INTEL_ENABLED (1u << 31)
/* AMD I/O virtualization specification 3.07, section 3.4: control, IOMMU enable. */
#define AMD_CONTROL (0x18 / 4)
#define AMD_ENABLED 1u

bool iommu_translates(void)
{
	const struct acpi_facts *acpi = acpi_facts();

	for (uint32_t i = 0; i < acpi->iommus; i++) {
		const struct acpi_iommu *iommu = &acpi->iommu[i];
		const volatile uint32_t *at = platform_map_device(iommu->registers, REGISTERS);
		if (at == NULL)
			continue;
		if (iommu->amd ? at[AMD_CONTROL] & AMD_ENABLED : at[INTEL_STATUS] & INTEL_ENABLED)
			return true;
	}
	return false;
}
