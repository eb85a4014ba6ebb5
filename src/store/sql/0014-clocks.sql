-- What an attempt has worked must not follow a clock that is set: it is counted by the one that never jumps.
ALTER TABLE attempts ADD COLUMN worked  INTEGER; -- ms that are not in active_ms yet, when that was last counted
ALTER TABLE attempts ADD COLUMN counted INTEGER; -- when: CLOCK_BOOTTIME in ms, of this boot
ALTER TABLE attempts ADD COLUMN boot    INTEGER; -- which boot of the machine; NULL: nobody knows
-- When a change began to wait for its due: later than now, the clock was set back.
ALTER TABLE changes ADD COLUMN waits INTEGER;
