/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calibrate.h - what a sample's interrupt costs here: measured, not assumed.
 *
 * It is some hundreds of nanoseconds on bare metal and tens of microseconds in
 * a virtual machine whose timer is the hypervisor's, and the program pays it.
 */
#ifndef COLLECT_CALIBRATE_H
#define COLLECT_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>

#define CALIBRATE_ASSUMED_NS 25000 /* where it cannot be measured: as in a virtual machine */

/*
 * Sample ourselves for 2 milliseconds with registers, a small stack copy and
 * (@kernel) callchains, while reading the clock in a loop: the median of the
 * gaps that interrupts leave. Nanoseconds; 0: the kernel refused, or too few came.
 */
uint64_t calibrate_interrupt_ns(bool kernel);

#endif
