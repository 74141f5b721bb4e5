/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The rules of content.Baseline, written out by hand: what the interpreter is measured against. */
#ifndef FLEETFALL_BYHAND_H
#define FLEETFALL_BYHAND_H

#include "interpreter.h"

/* As ff_evaluate of the baseline. */
void evaluate_by_hand(const struct ff_event *e, struct ff_verdict *v);

#endif
