/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - what the independent verifier says of an image, and whether that is
 * what the model says.
 *
 * The images of one crash differ in a few sectors, and most of those belong to
 * nobody in most of the images: what was written and never recorded.  The verifier
 * is a function of the sectors that it reads and of nothing else.  So each verdict
 * is kept with the prints of all sectors that were read for it; an image that has
 * the same in every one of these would be read in the same way and has the same
 * verdict.
 */
#ifndef TESTS_SIM_VERDICT_H
#define TESTS_SIM_VERDICT_H

#include "tests/sim/image.h"
#include "tests/sim/model.h"
#include "tools/verify/verify.h"

#define ORACLE_STATES (3u + MODEL_FAILED) /* durable, in flight, failed */
#define VERDICTS_MAX  64u		  /* kept at a time */

/* The states that a recovery may find. */
struct expectation {
	const struct model *model; /* knows the contents and the universe */
	const struct model_state *state[ORACLE_STATES];
	uint64_t print[ORACLE_STATES]; /* of all that these are compared with */
	uint32_t states;
};
void expectation_begin(struct expectation *expectation, const struct model *model);
/* The state must stay as it is while the expectation is in use. */
void expectation_add(struct expectation *expectation, const struct model_state *state);
/* Only this state of those that were expected. */
void expectation_narrow(struct expectation *to, const struct expectation *from,
			const struct model_state *state);
/* The state of this generation, or null. */
const struct model_state *expectation_find(const struct expectation *expectation,
					   generation_t generation);

/* ---- the verifier on an image ----------------------------------------- */

struct oracle_findings {
	uint32_t errors, warnings;
	uint32_t torn_errors; /* of codes SLOT and SUPERBLOCK among them */
	char first[400];      /* text of the first error */
};
struct verify *oracle_verify(const struct image *image, bool everything,
			     struct oracle_findings *findings, enum status *status);
/* Pages of a space, read by the verifier, against a content. */
void oracle_compare_space(struct verify *verify, const struct verify_space *space,
			  const struct model *model, const uint32_t *content);
/* Every snapshot of the state is on the disk, and no other, with the model's contents. */
void oracle_compare_catalogue(struct verify *verify, const struct expectation *expectation,
			      const struct model_state *state);

/* ---- verdicts --------------------------------------------------------- */

struct sector_list {
	uint32_t *sector;
	uint32_t count, room;
};

/* What was read to come to a verdict. */
struct evidence {
	const struct image *image; /* while it is being read */
	const struct image *ground;
	uint64_t *seen;	 /* bit per sector */
	uint64_t *print; /* of each sector seen */
	struct sector_list all;
	struct sector_list own; /* of these, where the image differed from the ground */
};

struct verdict {
	struct oracle_findings findings;
	struct verify_totals totals;
	struct disk_retention retention;
	bool everything;
	bool mounted; /* the engine has recovered from such an image */
	/* Print of the state with which all pages and snapshots were found equal; 0:
	 * they were not looked at. */
	uint64_t compared;
	struct evidence evidence;
};

struct verdicts {
	const struct image *ground; /* what all images lie over */
	struct verdict verdict[VERDICTS_MAX];
	uint32_t count, oldest;
};

/* A new crash: images will be overlays of this one, which stays as it is until the
 * next.  Verdicts that hold for it are kept. */
void verdicts_begin(struct verdicts *verdicts, const struct image *ground);
void verdicts_free(struct verdicts *verdicts);

/*
 * The verdict on an image: a known one, or the verifier's.  With everything, the
 * unused parts of the ring's slots are read too, and all pages are unpacked.  With an
 * expectation, all pages and snapshots have been compared with its state of the
 * generation on the disk, if there is one and nothing is wrong.  Valid until the next
 * call.
 */
struct verdict *verdict_get(struct verdicts *verdicts, const struct image *image, bool everything,
			    const struct expectation *expectation);

#endif
