"""Usual first names of many countries, and usual names of programs, places and things that are greeted as well."""

GIVEN = frozenset(
    """aaron abdul abigail adam adrian agnes agnieszka ahmed aisha akira alan albert alejandro alessandro alex alexander
    alexandra alexandre alfred ali alice alina amanda amelia amina amir amit amy ana anastasia anders andrea andreas andrei
    andrew andrzej angela anil anita anja ann anna anne annika antoine anton antonio anya arjun arthur astrid ayse barbara
    beatriz ben benjamin bernd bernhard bettina bianca bjorn björn bo bob boris brian bruno camille carl carla carlos
    carmen carol caroline catherine cecilia celine charles charlotte chiara chloe chris christian christina christine
    christoph christopher claire clara claudia claudio colin connor cristina daisy dan daniel daniela daniele david deborah
    deepak denis diana diego dieter dimitri dirk dmitri dominic dominik donna dorota edith edward elena eleanor eli elias
    elif elisabeth elizabeth ella ellen emil emilia emily emma enrique eric erica erik erika esther eva evelyn fatima
    federico felipe felix fernanda fernando filip fiona francesca francesco francisco frank franz frederic frida friedrich
    gabriel gabriele gabriela georg george gerhard gianni giorgio giovanni giulia giuseppe gloria gonzalo greta guillaume
    gustav hannah hanna hans harald harry hassan heidi heike heinz helen helena helga henrik henry hiroshi hugo hussein ian
    ibrahim ignacio igor inga inge ingrid irene irina isabel isabella ivan jack jacob jacques jaime jakob jakub james jamie
    jan jana jane janet jason javier jean jeff jennifer jens jeremy jessica jesus jim jin joan joana joanna joao joão joe
    johan johanna johannes john jonas jonathan jorge jose josé josef joseph joshua juan judith julia julian julie jun
    jürgen kai karen karin karl katarina katarzyna kate katharina katherine kathrin katja katrin kay keiko keith kelly ken
    kenji kenneth kevin kim kirsten klaus krzysztof lars laura lauren laurent lea leah lena leo leon leonardo leonie leszek
    li liam lin linda lisa lise liu louis louise luca lucas lucia lucy luis luisa lukas łukasz maciej magda magdalena manuel
    marc marcel marcin marco marcus margaret maria marie marina mario marion marit marta martha martin martina mary matteo
    matthew matthias maurice maya megan mehmet mei melanie michael michal michał michel michelle miguel mika mike mikhail
    miriam mohamed mohammed monica monika muhammad nadia nancy natalia natalie natasha neil nicholas nick nico nicola
    nicolas nicole nikolai nils nina noah noor norbert olaf ole oleg olga oliver olivia olivier omar oscar oskar otto pablo
    paola paolo patricia patrick paul paula paulina pavel pawel paweł pedro peggy penny per peter petra philip philipp
    philippe pia pierre piotr priya rachel rafael rahul raj rajesh ralf ralph ramon raquel rebecca regina renate ricardo
    richard rita rob robert roberto robin roger roland rolf roman ronald rosa rosie roy rui ruth ryan sabine sakura sally
    sam samantha samir samuel sandra sara sarah sean sebastian sergei sergio sigrid silvia simon simone sofia sofie sonia
    sophia sophie stefan stefanie stella stephan stephanie stephen steve steven stuart sunil susan susanne suzanne svenja
    sven sylvia takeshi tanja tanya tariq tatiana teresa terry theo theresa thomas thorsten tim timo tina tobias tobin tom
    tomas tomasz tony ulrich ulrike ursula uwe valentina valeria vanessa vera veronica veronika victor victoria viktor
    vincent virginia vladimir walter wei wendy werner wiktor william wojciech wolfgang xavier xin yan yang yara yasmin yi
    yuki yusuf yves zeynep zoe zoë zofia""".split()  # noqa: SIM905
)
THINGS = frozenset(
    """python java javascript typescript rust kotlin scala perl haskell docker kubernetes linux ubuntu debian windows android
    github gitlab google microsoft amazon apple facebook twitter netflix openai chatgpt gpt claude gemini llama mistral
    copilot siri alexa cortana bixby bard excel word django flask react vue angular node redis postgres mysql sqlite mongo
    kafka spark hadoop jenkins terraform ansible bash vim emacs arduino raspberry tensorflow pytorch numpy pandas jupyter
    london paris berlin rome madrid lisbon vienna warsaw prague tokyo kyoto beijing delhi mumbai cairo sydney oslo
    stockholm copenhagen helsinki amsterdam brussels zurich geneva munich hamburg milan venice barcelona dublin edinburgh
    glasgow chicago boston seattle texas california florida america europe africa asia australia canada mexico brazil china
    japan india france germany italy spain england britain ireland scotland sweden norway denmark finland poland russia
    turkey greece egypt monday tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december spring summer autumn winter christmas easter earth mars venus jupiter saturn
    kitty darling honey sunshine handsome beautiful dolly vegas hollywood broadway""".split()  # noqa: SIM905
)
