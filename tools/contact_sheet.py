from paddleseg_lite.cli.contact_sheet import main

if __name__ == "__main__":
    main()
