/* SPDX-License-Identifier: MIT */
/*
 * iommu.h - whether something translates the addresses that devices use.
 */
#ifndef DRIVERS_PC_IOMMU_H
#define DRIVERS_PC_IOMMU_H

#include <stdbool.h>

/* Is any IOMMU that the firmware's tables name switched on?  One that is off lets
 * devices use physical addresses, as one that is not there. */
bool iommu_translates(void);

#endif
