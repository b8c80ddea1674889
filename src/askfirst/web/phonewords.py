"""What the phone says; the words of its script, by the names that js/phone.js uses.

Placeholders in braces are filled there.
"""

from __future__ import annotations

from collections.abc import Mapping

from askfirst.web import words

PAUSES: Mapping[str, str] = {
    "card-number": words.mark("Card number"),
    "health-data": words.mark("Health data"),
    "private": words.mark("Private"),
    "other": words.mark("Other reason"),
}
"""Reasons for a pause that an agent chooses."""

SHORTCUTS: tuple[tuple[str, str], ...] = (
    ("Alt+P", words.mark("To the phone")),
    ("Alt+M", words.mark("Mute")),
    ("Alt+O", words.mark("Hold")),
    ("Alt+K", words.mark("Keypad")),
    ("Alt+Shift+R", words.mark("To the recording")),
    ("Alt+Shift+E", words.mark("Hang up")),
)

PHONE: Mapping[str, str] = {
    "phone": words.mark("Phone"),
    "none": words.mark("No call"),
    "calling": words.mark("Calling…"),
    "ringing": words.mark("Ringing"),
    "talking": words.mark("In call"),
    "held": words.mark("On hold"),
    "lost": words.mark("Connection lost. The recording state is unknown. Trying to get you back."),
    "agent": words.mark("You"),
    "colleague": words.mark("Colleague"),
    "contact": words.mark("They"),
    "joined": words.mark("Person who joined"),
    "left": words.mark("Left"),
    "hang_up": words.mark("Hang up"),
    "unknown": words.mark("Place unknown – ask first"),
    "failed": words.mark("That did not work. Try again."),
    "ended": words.mark("The call is over."),
    "write": words.mark("Write down how it went"),
    "elsewhere": words.mark("The phone is open in another window."),
    "taken": words.mark("The sound of this call is in another window or on another device."),
    "unsaved_before": words.mark("Notes of the call before are not saved yet. Trying again."),
    "left_call": words.mark(
        "You left the call with {name}. It is held for {s} s. Recording is paused."
    ),
    "rejoining": words.mark("The sound is gone. Recording is paused. Trying again."),
    "mic_blocked": words.mark(
        "Your browser blocks the microphone. Allow it next to the address, then press Try again."
    ),
    "mic_none": words.mark("No microphone found. Plug in a headset and try again."),
    "mic_busy": words.mark("Another program is using the microphone."),
    "mic_unsafe": words.mark("Calls need https. Ask your administrator."),
    "mic_failed": words.mark("The microphone could not be opened. Try again."),
    "sound_failed": words.mark("The sound could not be connected. Try again."),
    "muted": words.mark("Muted"),
    "unmuted": words.mark("Not muted"),
    "recording_started": words.mark("Recording started"),
    "recording_stopped": words.mark("Recording stopped"),
    "undo": words.mark("Recording started. For {s} s you can undo and erase it."),
    "called": words.mark("to {name}"),
    "rings_no_more": words.mark("It does not ring any more."),
    "beside_calling": words.mark("Calling {who}. Everybody else waits."),
    "beside_ringing": words.mark("It rings at {who}. Everybody else waits."),
    "beside_talking": words.mark(
        "You talk to {who} alone. Everybody else waits, and nothing is recorded."
    ),
    "beside_kept": words.mark("{who} could not be given the call: {why}. You talk to them alone."),
    "beside_transferring": words.mark("The call is being handed to {who}."),
    "beside_over": words.mark("{who}: {why}. Everybody else still waits."),
    "offer_rings": words.mark(
        "It rings at {who}. Until they take it the call is yours, and everything goes on as it is."
    ),
    "offer_kept": words.mark("{who} did not take the call. It is still yours."),
    "offer_busy": words.mark("{who} (cannot take calls now)"),
    "offer_help": words.mark("It rings at them. Until they take it the call stays with you."),
    "offer_nobody": words.mark(
        "No colleague can take a call now: away, in a call, or not at the phone."
    ),
    "handed": words.mark("{who} has the call now."),
    "hands": words.mark("{by} hands you the call with {who}"),
    "notes_refused": words.mark(
        "The last words of the notes were not saved: a colleague has the call."
    ),
    "undo_over": words.mark("Undoing is over. Recording goes on."),
    "since": words.mark("Recording since {time}"),
    "paused": words.mark("Paused: {reason}"),
    "ask": words.mark("Ask before recording"),
    "ask_text": words.mark(
        "The rule for this call: everyone must be told and agree. Nothing is kept before that."
    ),
    "ask_first": words.mark("Recording did not start by itself: {place} asks first."),
    "tell": words.mark("Tell them before recording"),
    "tell_text": words.mark(
        "The rule for this call: everyone must be told. Nothing they say is kept before that."
    ),
    "may": words.mark("May record"),
    "may_text": words.mark("Recording may start by itself here ({place}). It is polite to say so."),
    "met_text": words.mark("Everything owed was done. Nothing is recorded unless you want it."),
    "forbid": words.mark("Do not record this call"),
    "forbid_text": words.mark("Calls with {place} are not recorded here."),
    "no": words.mark("They said no"),
    "no_text": words.mark("They said no. This call will not be recorded or transcribed."),
    "withdrawn_text": words.mark("They took their yes back. Recording has stopped."),
    "off": words.mark("Recording is off"),
    "off_text": words.mark("An administrator has turned recording off."),
    "unread": words.mark("Read the notice first"),
    "unread_text": words.mark(
        "You are not recorded before you have read the employee notice on your start page."
    ),
    "disagreed": words.mark("You have not agreed"),
    "disagreed_text": words.mark(
        "You have not agreed to being recorded; nothing of this call is, and that has no "
        "disadvantage for you. You can agree under My agreement, from your next call on."
    ),
    "unsettled": words.mark("Not recorded at your site"),
    "unsettled_text": words.mark(
        "The law wants something settled with the employees of your site first, and it is not on "
        "record."
    ),
    "others": words.mark("Not recorded with this colleague"),
    "others_text": words.mark(
        "A colleague who is or was in this call has not read the notice or has not agreed to being "
        "recorded."
    ),
    "agreement": words.mark("My agreement"),
    "why": words.mark("Why?"),
    "private": words.mark("Private call"),
    "private_text": words.mark(
        "Nothing of it is recorded, written out or announced, and only you see with whom it is."
    ),
    "machine": words.mark("A machine answered"),
    "machine_text": words.mark("A machine cannot agree. Nothing is recorded."),
    "new_person": words.mark("A new person is on the line"),
    "new_person_text": words.mark("Recording is paused until they agree."),
    "new_place": words.mark("The place has changed"),
    "new_place_text": words.mark("The stricter rule of {place} now applies."),
    "telling": words.mark("They are being told"),
    "telling_text": words.mark("Only our own side is kept. Press the answer when you have it."),
    "asking_text": words.mark("The announcement is being played. Their key counts after its end."),
    "remind": words.mark("Remember to inform everyone"),
    "remind_text": words.mark(
        "Here everyone on the call must consent to recording. Recording begins when you confirm "
        "that you have informed them."
    ),
    "word_kept": words.mark(
        "Your statement is saved as the proof and will be checked against the transcript."
    ),
    "calls": words.mark("{who} is calling"),
    "more_calls": words.mark("{n} more waiting"),
    "withheld": words.mark("A withheld number"),
    "no_answer": words.mark("No clear answer – not recording."),
    "saved": words.mark("Saved"),
    "unsaved": words.mark("Not saved yet. Trying again."),
}
