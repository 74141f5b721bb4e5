#include "textflag.h"

// func rdtsc() uint64
TEXT ·rdtsc(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET

// func spin(ticks uint64)
TEXT ·spin(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, R8
	ADDQ ticks+0(FP), R8

again:
	PAUSE // an emulated CPU looks around at each
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	CMPQ AX, R8
	JCS  again
	RET
