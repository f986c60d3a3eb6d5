# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test groups. A group is one ctest test that runs many programs. Each prints
# TAP: a plan "1..N", N points "ok" or "not ok" ("ok 3 - name # SKIP reason"),
# and exits 1 if one failed, else 0. A program that cannot run at all prints
# "1..0 # SKIP reason" and exits 4. What it prints beside that is shown as
# comment. The group's name is also its label: ./run test NAME runs it.
#
#   peermem_add_vm_group(NAME verbs
#       [LANES plain debug]     kernels to run on: the distribution's (plain),
#                               that of tests/debug/debug.config, that of
#                               kcsan.config; default: plain and debug
#       [VM --stock --smp 4]    options of "./run vm"
#       [TIMEOUT 900]           seconds for all; default 600. On other kernels
#                               than the plain one, four times as long
#       [EACH 120]              seconds for one program; default 300
#       COMMANDS "${dir}/mr_data --odd" "python3 ${dir}/x.py")
#   boots one machine and runs the commands in it one after the other, as root,
#   in the source folder. The machine itself is one more point: its kernel log
#   must be clean.
#
#   peermem_add_host_group(NAME static [LANES ...] [TIMEOUT S] [EACH S]
#       COMMANDS ...)
#   runs them here; default: only with the plain lane.
#
#   peermem_add_harness_test(mr_test mr_test.c more.c)
#   is a program of C tests, written on the kernel's own kselftest_harness.h.

set(PEERMEM_TAP ${PROJECT_SOURCE_DIR}/tests/tap.py)
set(PEERMEM_COUNTS ${PROJECT_BINARY_DIR}/results)

# A kernel that looks at everything takes its time.
set(PEERMEM_SLOWNESS 1)
if(NOT PEERMEM_LANE STREQUAL plain)
	set(PEERMEM_SLOWNESS 4)
endif()

function(peermem_add_group name timeout each lanes vm commands)
	if(NOT PEERMEM_LANE IN_LIST lanes)
		return()
	endif()
	math(EXPR timeout "${timeout} * ${PEERMEM_SLOWNESS}")
	math(EXPR each "${each} * ${PEERMEM_SLOWNESS}")
	if(vm)
		set(before --vm -- ${PROJECT_SOURCE_DIR}/tests/vm/vm.sh
			--timeout ${timeout} --keep ${PEERMEM_COUNTS}/${name} ${vm})
	else()
		set(before --)
	endif()
	set(list ${PROJECT_BINARY_DIR}/tests/${name}.list)
	list(JOIN commands "\n" text)
	file(GENERATE OUTPUT ${list} CONTENT "${text}\n")
	add_test(NAME ${name}
		COMMAND ${PEERMEM_TAP} check ${name}
			${PEERMEM_COUNTS}/${name}.counts ${before}
			${PEERMEM_TAP} run --timeout ${each} ${list}
		WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
	math(EXPR limit "${timeout} + 120")
	set_tests_properties(${name} PROPERTIES LABELS ${name} TIMEOUT ${limit}
		ENVIRONMENT "PEERMEM_BUILD=${PROJECT_BINARY_DIR}")
endfunction()

# Sets arg_* for the two below. Not PARSE_ARGV: an empty VM is to stay away.
macro(peermem_parse_group lanes)
	cmake_parse_arguments(arg "" "NAME;TIMEOUT;EACH" "LANES;VM;COMMANDS"
		${ARGN})
	if(NOT arg_LANES)
		set(arg_LANES ${lanes})
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 600)
	endif()
	if(NOT arg_EACH)
		set(arg_EACH 300)
	endif()
endmacro()

function(peermem_add_vm_group)
	peermem_parse_group("plain;debug" ${ARGN})
	peermem_add_group(${arg_NAME} ${arg_TIMEOUT} ${arg_EACH} "${arg_LANES}"
		"${arg_VM};--" "${arg_COMMANDS}")
endfunction()

function(peermem_add_host_group)
	peermem_parse_group(plain ${ARGN})
	peermem_add_group(${arg_NAME} ${arg_TIMEOUT} ${arg_EACH} "${arg_LANES}"
		"" "${arg_COMMANDS}")
endfunction()

function(peermem_add_harness_test target)
	add_executable(${target} ${ARGN})
	add_dependencies(${target} linux-source)
	target_include_directories(${target} SYSTEM PRIVATE
		${PEERMEM_LINUX}/tools/testing/selftests)
	# The harness leaves its own parameters unused.
	target_compile_options(${target} PRIVATE -Wno-unused-parameter)
endfunction()
