/* SPDX-License-Identifier: MIT */
/*
 * traffic.h - the messages of the traffic light.
 */
#ifndef USER_PROGRAMS_TRAFFIC_H
#define USER_PROGRAMS_TRAFFIC_H

/* The port of the traffic light: it puts it there when it starts. */
#define TRAFFIC_PATH "/demo/traffic"

enum traffic_label {
	TRAFFIC_PRESS = 1, /* a pedestrian has come and wants to cross */
	TRAFFIC_ASK = 2,   /* call -> w0 how many wait, w1 how many have crossed */
};

#endif
