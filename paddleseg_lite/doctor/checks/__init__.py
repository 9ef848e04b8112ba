"""The checks that `doctor.table` lists: functions of a folder to work in, on Paddle's current device."""
