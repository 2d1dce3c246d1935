/* SPDX-License-Identifier: MIT */
/*
 * power.h - switching the PC off and starting it anew.
 *
 * Both return only when nothing that was tried had an effect.
 */
#ifndef DRIVERS_PC_POWER_H
#define DRIVERS_PC_POWER_H

void power_off(void);
void power_reboot(void);

#endif
