## Home

home-tagline = See and hear your friends. No account needed.
home-name = Your name
home-name-hint = What others see
home-start = Start a call
home-start-hint = You get a link to send to a friend
home-join-label = Have a link?
home-join-hint = Paste it here, or type the three words
home-join = Join
home-test-call = Start a test call
home-test-call-hint = Hear and see yourself, over the real path
home-language = Language
home-theme = Appearance
home-new-link = New link
home-new-link-hint = From then on the old link leads nowhere
home-link-coming = The link is being made…
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
call-waiting-knock = Send them this link. They knock, and you decide.
call-waiting-locked = The call is locked: nobody new comes in, with or without this link.
call-link = Invite link
call-connecting = Connecting…
call-connecting-to = Connecting to { $name }…
call-no-path-to = No path to { $name } was found. Trying again…
call-no-path-because = No path to { $name } was found. { $why } Trying again…
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
blocked-no-network = This computer has no network to call from. Connect to one.
blocked-no-relay-set = Your address is to stay hidden, but no relay is set. Set one, or let others see your address.
blocked-no-server-set = The two networks do not reach each other, and no server is set that could help. Set a relay.
blocked-udp = This network blocks UDP, and no relay over TCP is set. Try another network, for example a phone's hotspot.
blocked-nothing-answers = None of your STUN and relay servers answers. This network blocks them, or they are down. Try another network.
blocked-relay-unknown = The name of the relay cannot be looked up. Check its address, and your internet connection.
blocked-relay-silent = The relay does not answer. Check its address, and that it is running.
blocked-relay-refused = The relay refused the password. Check user and password; they may have expired.
blocked-relay-full = The relay has no room for another call. Try again later.
blocked-relay-certificate = The relay cannot prove that it is the one you set. Check its address, and this computer's clock.
blocked-both-strict = Both networks hide behind strict routers; a relay is needed. Set one, or try a phone's hotspot.
blocked-their-network = The other side's network lets nobody in; a relay is needed. Set one, or ask them to try a phone's hotspot.
blocked-behind-relay = The relay answers, but the other side does not come through it. Ask them to try another network.
blocked-handshake = A path was found, but nothing encrypted comes through it. Try another network.

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

## Who somebody is

badge-unverified = Encrypted, not yet verified. Compare the four symbols.
badge-unverified-short = Not yet verified
badge-known = { $calls ->
    [0] Same device as before.
    [one] Same device as in your last call.
   *[other] Same device as in your last { $calls } calls.
    }
badge-known-short = Same device
badge-verified = Verified on { $date }.
badge-verified-now = Verified in this call.
badge-verified-short = Verified
badge-changed = The key of { $contact } has changed.
badge-changed-short = Key has changed
badge-changed-title = This contact's key has changed
badge-changed-who = They say they are { $name }. The { $contact } you know had another key.
badge-changed-meaning = Either { $contact } has a new computer or has set up Visavis anew, or somebody else poses as { $contact }. Ask { $contact } in another way, for example by phone, before you go on.
badge-changed-refuse = Do not talk to them
badge-changed-continue = Continue anyway

symbols-compare = Compare the four symbols
symbols-not-yet = The symbols come as soon as you are connected.
symbols-title = Compare with { $name }
symbols-text = Read these to each other. If all four are the same, nobody is in between.
symbols-match = They are the same
symbols-differ = They differ
symbols-differ-title = The symbols differ
symbols-differ-meaning = Somebody may be between you and { $name }, and may see and hear this call.
symbols-differ-do = Say nothing that is not for others to hear. Leave the call, and call again from another network. If the symbols differ there too, meet in another way.
symbols-again = Look at the symbols again

## At the door

knock-wants-in = { $name } wants to come in
knock-unknown = You have never met on Visavis.
knock-admit = Let in
knock-admit-name = Let { $name } in
knock-refuse = Refuse
knock-refuse-name = Refuse { $name }
knock-waits = { $name } waits for the host
knock-awaiting-them = Waiting for { $name } to let you in…
knock-waiting-text = Until then they see your name only.
call-door-title = Who may come in
call-door-button = Who may come in: { $state }
call-door-open = Open
call-door-open-text = Whoever has the link comes straight in.
call-door-knock = Knock first
call-door-knock-text = Whoever has the link knocks, and you decide.
call-door-locked = Locked
call-door-locked-text = Nobody new comes in, with or without the link.
call-is-host = Started this call
call-invite = Invite others
call-try-again = Try again
call-leave = Leave the call
call-send-out = Send out of the call
call-send-out-name = Send { $name } out of the call
call-route-none = Not connected yet
call-route-direct = Direct connection
call-route-direct-text = Picture and sound go straight from one computer to the other. { $name } can see your network address, and you theirs.
call-route-direct-late = Picture and sound go straight from one computer to the other. It was made before you chose to hide your address: { $name } can see it until you call again.
call-route-relay = Through a relay
call-route-relay-text = There was no direct way, so a relay passes everything on. It sees both your addresses, and nothing of what you say and show. { $name } can learn your address too.
call-route-relay-hidden = You hide your address: new connections go through a relay, and { $name } is not told your address. The relay sees it, and nothing of what you say and show.
call-alarm-disturbed = Messages on the way are being disturbed
call-alarm-disturbed-text = What the others send through the server arrives changed, out of order or not at all. Those you see and hear stay connected, encrypted as before. If somebody cannot come in, make a new link or try another network.
call-alarm-stranger = A stranger is in the room
call-alarm-stranger-text = Somebody is there who does not have the whole link. They see and hear nothing of you. To be rid of them, the host makes a new link.
call-alarm-between = Somebody tried to come in between
call-alarm-between-text = A connection led to somebody else than it should, and was closed at once: nothing was sent there. Leave the call and try from another network.
## People

people-title = People
people-nearby = Nearby
people-nearby-text = On the same network. A name here is a label, not proof: anybody can call themselves that.
people-missed = Missed calls
people-missed-more = { $count ->
    [one] and one more
   *[other] and { $count } more
    }
people-clear = Clear
people-online = online
people-offline = not online
people-verified-on = Verified on { $date }
people-calls = { $count ->
    [0] No calls yet
    [one] One call
   *[other] { $count } calls
    }
people-date = { $month ->
    [1] { $day } Jan
    [2] { $day } Feb
    [3] { $day } March
    [4] { $day } April
    [5] { $day } May
    [6] { $day } June
    [7] { $day } July
    [8] { $day } Aug
    [9] { $day } Sept
    [10] { $day } Oct
    [11] { $day } Nov
   *[other] { $day } Dec
    }
people-just-now = just now
people-minutes-ago = { $count ->
    [one] a minute ago
   *[other] { $count } minutes ago
    }
people-hours-ago = { $count ->
    [one] an hour ago
   *[other] { $count } hours ago
    }
people-yesterday = yesterday
people-days-ago = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
    }
people-ring-video = Ring { $name } with video
people-ring-sound = Ring { $name } with sound only
people-ring-back = Ring { $name } back
people-more = More about { $name }
people-rename = Rename
people-rename-label = Your name for { $name }
people-rename-keep = Keep
people-remove = Remove
people-remove-ask = Remove { $name }? You will not be able to ring each other until you have met again through a link.
people-remove-yes = Remove { $name }
people-cancel = Cancel
people-no-server = Friends can ring you when a server is set. Nearby works without one.
people-set-server = Set a server
people-connecting = Looking for who is online…
people-undisturbed = Do not disturb is on: nobody rings through.
people-disturb = Turn off

## Ringing

ring-incoming = { $name } is calling
ring-video = Video call
ring-sound = Voice call
ring-unknown = Not in your contacts. The name is only what they call themselves.
ring-unverified = In your contacts, not verified yet
ring-reaching = Trying to reach { $name }…
ring-ringing = Ringing { $name }…
ring-accepted = Connecting to { $name }…
ring-accept-video = Accept with video
ring-accept-sound = Accept with sound only
ring-decline = Decline
ring-cancel = Cancel
ring-leaves-call = Accepting ends the call you are in.

## QR code and spoken code

qr-show = QR code
qr-label = QR code of the invite link
qr-text = Point the camera of a phone or another computer at it. Whoever sees it can join.
qr-too-long = The link is too long for a QR code. Copy it instead.
code-offer = Spoken code
code-read-aloud = Read these words aloud over the phone
code-good-for = { $tries ->
    [one] Good for { $time } more, and for one try
   *[other] Good for { $time } more, and for { $tries } tries
    }
code-withdraw = Put the code away

## Settings

settings-open = Settings
settings-ringing = Ringing
settings-calls = Calls you start
settings-server = Server
settings-look = Language and appearance
settings-undisturbed = Do not disturb
settings-undisturbed-text = Nobody rings through. They are told that you are busy, and you find them under missed calls.
settings-nearby = Visible nearby
settings-nearby-text = People on the same network see your name here and can ring you, also without a server. So does anybody else on that network.
settings-hide = Hide my address
settings-hide-text = Those you call do not see where you are on the internet. It needs a relay, and the picture may come later and less sharp.
settings-door = Who may enter
settings-door-open = Whoever has the link
settings-door-knock = I let people in
settings-expiry = The link lets people in
settings-expiry-call = As long as the call lasts
settings-expiry-hour = For an hour
settings-expiry-day = For a day
settings-server-label = Address of your server
settings-server-hint = For example calls.example.org
settings-server-none = Friends can ring you when a server is set. Without one, links, nearby and all else work as they are.
settings-server-connecting = Connecting to the server…
settings-server-listening = Connected: your friends can ring you.
settings-server-restart = Kept. Close Visavis and open it again to use it.
settings-server-bad = That is not the address of a server. Write it like calls.example.org or ws://192.168.1.5:8080.

## Identity

identity-title = Your identity
identity-text = Your friends recognise this device by a key. Only you have it.
identity-in-keyring = The key is kept in the system's keyring.
identity-in-file = There is no keyring on this computer, so your key is kept in a file that only you can read: { $path }. Whoever can read your files could pass as you.
identity-in-memory = The key is not kept anywhere: when you close Visavis, friends will not recognise you any more.
identity-fingerprint = Fingerprint
identity-fingerprint-hint = The beginning of your public key. It is no secret.
identity-copy = Copy the whole fingerprint
identity-export = Export…
identity-export-text = Writes your key into a file, to move to another computer or to keep. The passphrase protects it: without it nobody can use the file, not even you.
identity-import = Import…
identity-import-text = This computer becomes who the file says, from the next call on. The identity until now is kept aside.
identity-path = File
identity-passphrase = Passphrase
identity-repeat = The passphrase again
identity-export-now = Export
identity-import-now = Import
identity-no-path = Write the whole path of the file, with its folder.
identity-short = Use a passphrase of at least 8 characters. Four words are easy to remember.
identity-different = The two passphrases are not the same. Type them again.
identity-no-passphrase = Type the passphrase the file was protected with.

## News

event-ring-declined = { $name } cannot talk just now.
event-ring-busy = { $name } is in another call or does not want to be disturbed.
event-ring-no-answer = { $name } did not answer.
event-ring-unreachable = { $name } could not be reached. Perhaps Visavis is not open there.
event-ring-missed = You missed a call from { $name }.
event-ring-elsewhere = The call with { $name } goes on on another device of yours.
event-code-no-server = Spoken words need a server that both of you use. Set one in the settings, or ask for a link.
event-code-nobody = Nobody waits with these words. They may have been misheard, used up, or older than ten minutes: ask for new ones.
event-code-wrong = The first word is right, the others are not. Ask your friend to read them again.
event-code-unreachable = The server could not be reached. Check your internet connection, or ask for a link.
event-storage = About what Visavis keeps on this computer: { $words }
event-identity-exported = Your identity is in { $path }. Keep the passphrase well.
event-identity-imported = From the next call on you are who the file says.
event-identity-failed = That did not work: { $words }

## Around the window

tray-open = Open Visavis
tray-do-not-disturb = Do not disturb
tray-quit = Quit
tray-still-running = Visavis is still there
tray-still-running-text = Friends can ring you. To end it, choose Quit in the menu of its icon.
notification-rings = { $name } is calling
notification-video = Video call
notification-sound = Call without video
notification-accept = Accept
notification-decline = Decline
notification-missed = { $name } called
notification-missed-text = You missed the call. Open Visavis to call back.
