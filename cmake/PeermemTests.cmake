# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Test groups. A group is one ctest test that runs many programs. Each prints
# TAP: a plan "1..N", N points "ok" or "not ok" ("ok 3 - name # SKIP reason"),
# and exits 1 if one failed, else 0. A program that cannot run at all prints
# "1..0 # SKIP reason" and exits 4. What it prints beside that is shown as
# comment. The group's name is also its label: ./run test NAME runs it.
#
#   peermem_add_vm_group(NAME verbs
#       [VM --stock --smp 4]    options of "./run vm"
#       [TIMEOUT 900]           seconds for all; default 600. With the debug
#                               kernel all times are four times as long
#       [EACH 120]              seconds for one program; default 300
#       COMMANDS "${dir}/mr_data --odd" "python3 ${dir}/x.py")
#   boots one machine and runs the commands in it one after the other, as root,
#   in the source folder. The machine itself is one more point: its kernel log
#   must be clean.
#
#   peermem_add_host_group(NAME static [TIMEOUT S] [EACH S] COMMANDS ...)
#   runs them here.
#
# C tests are written on the kernel's own harness, kselftest_harness.h: it is in
# the folder ${PEERMEM_HARNESS} once the target kselftest-harness was built.

set(PEERMEM_TAP ${PROJECT_SOURCE_DIR}/tests/tap.py)
set(PEERMEM_COUNTS ${PROJECT_BINARY_DIR}/results)

set(PEERMEM_HARNESS ${PEERMEM_LINUX}/tools/testing/selftests)
add_custom_target(kselftest-harness)
add_dependencies(kselftest-harness linux-source)

# A kernel that looks at everything takes its time.
set(PEERMEM_SLOWNESS 1)
if(PEERMEM_KERNEL_ROOT)
	set(PEERMEM_SLOWNESS 4)
endif()

function(peermem_add_group name timeout each vm commands)
	set(list ${PROJECT_BINARY_DIR}/tests/${name}.list)
	list(JOIN commands "\n" text)
	file(GENERATE OUTPUT ${list} CONTENT "${text}\n")
	add_test(NAME ${name}
		COMMAND ${PEERMEM_TAP} check ${name}
			${PEERMEM_COUNTS}/${name}.counts ${vm}
			${PEERMEM_TAP} run --timeout ${each} ${list}
		WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
	math(EXPR limit "${timeout} + 120")
	set_tests_properties(${name} PROPERTIES LABELS ${name}
		TIMEOUT ${limit} RUN_SERIAL ON
		ENVIRONMENT "PEERMEM_BUILD=${PROJECT_BINARY_DIR}")
endfunction()

function(peermem_add_vm_group)
	cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT;EACH"
		"VM;COMMANDS")
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 600)
	endif()
	if(NOT arg_EACH)
		set(arg_EACH 300)
	endif()
	math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${PEERMEM_SLOWNESS}")
	math(EXPR arg_EACH "${arg_EACH} * ${PEERMEM_SLOWNESS}")
	set(vm --vm -- ${PROJECT_SOURCE_DIR}/tests/vm/vm.sh
		--timeout ${arg_TIMEOUT}
		--keep ${PEERMEM_COUNTS}/${arg_NAME} ${arg_VM} --)
	peermem_add_group(${arg_NAME} ${arg_TIMEOUT} ${arg_EACH} "${vm}"
		"${arg_COMMANDS}")
endfunction()

function(peermem_add_host_group)
	cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT;EACH" "COMMANDS")
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 600)
	endif()
	if(NOT arg_EACH)
		set(arg_EACH 300)
	endif()
	math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * ${PEERMEM_SLOWNESS}")
	math(EXPR arg_EACH "${arg_EACH} * ${PEERMEM_SLOWNESS}")
	peermem_add_group(${arg_NAME} ${arg_TIMEOUT} ${arg_EACH} "--"
		"${arg_COMMANDS}")
endfunction()
