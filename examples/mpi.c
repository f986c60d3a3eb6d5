// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Example: MPI with buffers in video memory. A message, MPI_Put() and MPI_Get()
 * between two ranks; all bytes are compared. See docs/applications.md.
 */
#include <mpi.h>

#include "vram.h"

#define SIZE (4 << 20)

static char label[64];

static const char *called(int rank, const char *what)
{
	snprintf(label, sizeof(label), "rank %d, %s", rank, what);
	return label;
}

static void message(int rank, void *buffer)
{
	if (rank == 0) {
		vram_fill(buffer, SIZE, 1);
		MPI_Send(buffer, SIZE, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
	} else {
		MPI_Recv(buffer, SIZE, MPI_BYTE, 0, 0, MPI_COMM_WORLD,
			 MPI_STATUS_IGNORE);
	}
	vram_check(called(rank, rank ? "received" : "sent"), buffer, SIZE, 1);
}

/* Rank 0 puts into the window of rank 1, then gets from it. */
static void window(int rank, void *buffer, void *shared)
{
	MPI_Win win;

	MPI_Win_create(shared, SIZE, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	vram_fill(buffer, SIZE, 2);
	MPI_Win_fence(0, win);
	if (rank == 0)
		MPI_Put(buffer, SIZE, MPI_BYTE, 1, 0, SIZE, MPI_BYTE, win);
	MPI_Win_fence(0, win);
	if (rank == 1) {
		vram_check(called(rank, "put"), shared, SIZE, 2);
		vram_fill(shared, SIZE, 3);
	}
	MPI_Win_fence(0, win);
	if (rank == 0)
		MPI_Get(buffer, SIZE, MPI_BYTE, 1, 0, SIZE, MPI_BYTE, win);
	MPI_Win_fence(0, win);
	if (rank == 0)
		vram_check(called(rank, "got"), buffer, SIZE, 3);
	MPI_Win_free(&win);
}

int main(int argc, char **argv)
{
	void *buffer, *shared;
	int rank;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	buffer = vram_map(SIZE);
	shared = vram_map(SIZE);
	message(rank, buffer);
	window(rank, buffer, shared);
	MPI_Finalize();
	return 0;
}
