## Home

home-tagline = See and hear your friends. No account needed.
home-name = Your name
home-name-hint = What others see
home-start = Start a call
home-start-hint = You get a link to send to a friend
home-join-label = Have a link?
home-join-hint = Paste it here
home-join = Join
home-test-call = Start a test call
home-test-call-hint = Hear and see yourself, over the real path
home-language = Language
home-theme = Appearance
theme-system = Like the system
theme-light = Light
theme-dark = Dark
language-system = Like the system

## Lobby

lobby-title-host = Ready to call?
lobby-title-join = Ready to join?
lobby-start = Start the call
lobby-join = Join the call
lobby-starting = One moment…
lobby-preview = Your picture, as a mirror
lobby-camera-off = Your camera is off
lobby-camera-starting = Your camera is starting…
lobby-camera-none = There is no picture from your camera
lobby-camera = Camera
lobby-microphone = Microphone
lobby-speaker = Speaker
lobby-level = Level of your microphone
lobby-look-again = Look for devices again
device-best-camera = The best camera there is
device-default = The system's default
device-none-camera = No camera
device-none-microphone = No microphone
device-test-picture = Test picture
device-test-sound = Test sound
device-silence = Silence
device-mute-speaker = No sound
device-file = File { $name }
device-off = Off
device-starting = Starting…
device-works = Works
device-works-mode = Works: { $mode }
camera-mode = { $width } × { $height }, { $fps } pictures a second

## Call

call-you = You
call-nobody-name = Guest
call-picture-of = Picture of { $name }
call-screen-of = Screen of { $name }
call-muted = { $name }: microphone off
call-camera-off = Camera off
call-joining = Entering the call…
call-waiting = Nobody else is here yet
call-waiting-title = Waiting for somebody
call-waiting-text = Send them this link. They come straight to you.
call-link-coming = The link is being made…
call-link = Invite link
call-connecting = Connecting…
call-connecting-to = Connecting to { $name }…
call-no-path-to = No path to { $name } was found. Trying again…
call-connected = Connected
call-connected-relay = Connected through a relay
call-reconnecting = The connection was lost. Looking for a new path…
call-reconnecting-to = The connection to { $name } was lost. Looking for a new path…
call-server-away = The server does not answer. Your call goes on, but nobody new can join until it is back.
call-server-retrying = The server does not answer. Trying again…
call-microphone-failed = Nobody hears you. { $why }
call-camera-failed = Nobody sees you. { $why }
call-speaker-failed = You hear nobody. { $why }
call-test = Test call
call-test-text = You see and hear yourself as others would.

## Actions

action-microphone-off = Turn microphone off
action-microphone-on = Turn microphone on
action-camera-off = Turn camera off
action-camera-on = Turn camera on
action-copy-link = Copy link
action-copied = Copied
action-hang-up = Hang up
action-back = Back
action-call-again = Call again
action-home = Home
action-dismiss = Put away
action-quit = Quit

## After the call

ended-duration = You were connected for { $duration }.
ended-hung-up = The call is over
ended-hung-up-text = You hung up.
ended-everyone-left = The call is over
ended-everyone-left-text = Everybody else has left.
ended-unreachable = The call could not be reached
ended-unreachable-text = The server does not answer. Check your internet connection. If it works, the person who sent the link may have closed Visavis: ask for a new link.
ended-wrong-server = That is not a Visavis server we understand
ended-wrong-server-text = One of you probably has an older Visavis. Update both, then try again with a new link.
ended-refused = The server did not let you in
ended-refused-text = It said: { $words } Ask for a new link, or try again in a minute.
ended-peers = No path to the others was found
ended-peers-text = A firewall or network blocks direct calls. Try another network, for example a phone's hotspot.

## Devices in trouble

problem-camera-missing = There is no such camera. Plug one in or pick another.
problem-camera-busy = Another program uses the camera. Close it, then pick the camera again.
problem-camera-forbidden = The system does not allow Visavis to use the camera. Allow it in the system's privacy settings.
problem-camera-unplugged = The camera was unplugged. Plug it in again or pick another.
problem-camera-stalled = The camera stopped sending pictures. Unplug it and plug it in again.
problem-camera-unusable = The camera sends nothing Visavis can use. Pick another.
problem-camera-bad-file = The video file cannot be read. It has to be a .y4m file.
problem-microphone-missing = There is no such microphone. Plug one in or pick another.
problem-microphone-busy = Another program uses the microphone. Close it, then pick the microphone again.
problem-microphone-forbidden = The system does not allow Visavis to use the microphone. Allow it in the system's privacy settings.
problem-microphone-unplugged = The microphone was unplugged. Plug it in again or pick another.
problem-microphone-stalled = The microphone stopped sending sound. Plug it in again or pick another.
problem-microphone-unusable = The microphone sends nothing Visavis can use. Pick another.
problem-microphone-bad-file = The sound file cannot be read. It has to be a .wav file.
problem-speaker-missing = There is no such speaker. Plug one in or pick another.
problem-speaker-busy = Another program uses the speaker. Close it, then pick the speaker again.
problem-speaker-forbidden = The system does not allow Visavis to play sound. Allow it in the system's settings.
problem-speaker-unplugged = The speaker was unplugged. Plug it in again or pick another.
problem-speaker-stalled = The speaker stopped playing. Plug it in again or pick another.
problem-speaker-unusable = The speaker takes no sound Visavis can give. Pick another.
problem-speaker-bad-file = The sound file cannot be written. Check the folder and the free space.

## Notices

notice-no-link = Paste the link your friend sent you, then press Join.
notice-bad-link = That is not an invite link. Copy the whole link from the message, without anything before or after it.
notice-damaged-link = The link was damaged on the way. Ask your friend to send it again.
notice-cut-off-link = The link was cut off. Copy all of it, to the last character, or ask your friend to send it again.
notice-extended-link = Something was added to the end of the link. Copy the link alone, or ask your friend to send it again.
notice-newer-link = The link was made by a newer Visavis. Update yours, then open the link again.
notice-older-link = The link was made by an older Visavis that is no longer understood. Ask your friend to update and to send a new one.
notice-server-failed = Your computer could not open the call for others: { $words } Check that no firewall forbids it, then try again.
notice-write-failed = A file could not be written: { $words } Check the folder and the free space.
notice-engine-busy = Visavis does not answer at the moment. Close it and open it again.

call-knocking = Waiting for the host to let you in
ended-not-admitted = The host did not let you in
ended-not-admitted-text = You can ask them, and try the link again.
ended-locked = The call is locked
ended-locked-text = The host lets nobody new in. Ask them to unlock it, then open the link again.
ended-expired = The link has expired
ended-expired-text = Ask your friend for a new one.
